# The learner's keyboard: every target is one line that calls tito, and sets .venv up when need be.
# On Windows, or from another folder: python3 bootstrap.py COMMAND, or .venv/bin/tito COMMAND.
# Settings: FORCE=1 (module, reveal), LEND=1 (module), ALL=1 (test), IMPL=FOLDER (any folder with a tinytorch package),
# ARGS="..." (further options, such as ARGS="-k exp -v" for test).

PYTHON ?= python3
TITO = @$(PYTHON) bootstrap.py

.DEFAULT_GOAL := help
.PHONY: help setup status test data door doctor verify verify-all demo stubs bench budget gates oracle records mutants-deep

module-%: ; $(TITO) module $* $(ARGS)
test-%: ; $(TITO) test $* $(ARGS)
watch-%: ; $(TITO) watch $* $(ARGS)
why-%: ; $(TITO) why $* $(ARGS)
reflect-%: ; $(TITO) reflect $* $(ARGS)
certify-%: ; $(TITO) certify $* $(ARGS)
hint-%: ; $(TITO) hint $* $(ARGS)
reveal-%: ; $(TITO) reveal $* $(ARGS)
milestone-%: ; $(TITO) milestone $* $(ARGS)
oracle-%: ; $(TITO) oracle $* $(ARGS)
gates-%: ; $(TITO) gates $* $(ARGS)
mutants-%: ; $(TITO) mutants $* $(ARGS)
records-%: ; $(TITO) records $* $(ARGS)

help: ; $(TITO) --help
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
