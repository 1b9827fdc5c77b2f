# The learner's keyboard: every target is one line that calls tito, and sets .venv up when need be.
# On Windows, or from another folder: python3 bootstrap.py COMMAND, or .venv/bin/tito COMMAND.
# Settings: FORCE=1 (module, reveal), LEND=1 (module), ALL=1 (test), IMPL=FOLDER (any folder with a tinytorch package),
# AGAINST=COMMIT (bench), ARGS="..." (further options, such as ARGS="-k exp -v" for test).

PYTHON ?= python3
TITO = @$(PYTHON) bootstrap.py

.DEFAULT_GOAL := help
.PHONY: help setup status test data door doctor verify verify-all demo stubs bench budget gates oracle records mutants-deep FORCE

FORCE: # a prerequisite that is never up to date, so that a file named test-01 cannot stand for its run

module-%: FORCE ; $(TITO) module $* $(ARGS)
test-%: FORCE ; $(TITO) test $* $(ARGS)
watch-%: FORCE ; $(TITO) watch $* $(ARGS)
why-%: FORCE ; $(TITO) why $* $(ARGS)
reflect-%: FORCE ; $(TITO) reflect $* $(ARGS)
certify-%: FORCE ; $(TITO) certify $* $(ARGS)
hint-%: FORCE ; $(TITO) hint $* $(ARGS)
reveal-%: FORCE ; $(TITO) reveal $* $(ARGS)
milestone-%: FORCE ; $(TITO) milestone $* $(ARGS)
oracle-%: FORCE ; $(TITO) oracle $* $(ARGS)
gates-%: FORCE ; $(TITO) gates $* $(ARGS)
mutants-%: FORCE ; $(TITO) mutants $* $(ARGS)
records-%: FORCE ; $(TITO) records $* $(ARGS)

help: ; $(TITO) help $(ARGS)
setup: ; $(TITO) setup $(ARGS)
status: ; $(TITO) status $(ARGS)
test: ; $(TITO) test $(ARGS)
data: ; $(TITO) data $(ARGS)
door: ; $(TITO) door $(ARGS)
doctor: ; $(TITO) doctor $(ARGS)
verify: ; $(TITO) verify $(ARGS)
verify-all: ; $(TITO) verify-all $(ARGS)
demo: ; $(TITO) demo $(ARGS)
stubs: ; $(TITO) stubs $(ARGS)
bench: ; $(TITO) bench $(ARGS)
budget: ; $(TITO) budget $(ARGS)
gates: ; $(TITO) gates $(ARGS)
oracle: ; $(TITO) oracle $(ARGS)
records: ; $(TITO) records $(ARGS)
mutants-deep: ; $(TITO) mutants $(ARGS)
