# The learner's keyboard: every target is one line that calls tito, and sets .venv up when need be.
# On Windows, or from another folder: python3 bootstrap.py COMMAND, or .venv/bin/tito COMMAND.
# Settings: FORCE=1 (module, reveal), LEND=1 (module), ALL=1 (test), IMPL=FOLDER (any folder with a tinytorch package),
# ARGS="..." (further options, such as ARGS="-k exp -v" for test).

PYTHON ?= python3
TITO = @$(PYTHON) bootstrap.py

.DEFAULT_GOAL := help
.PHONY: help setup status test data doctor verify demo stubs bench budget gates oracle lessons mutants-deep FORCE

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
lessons-%: FORCE ; $(TITO) lessons $* $(ARGS)

help: ; $(TITO) help $(ARGS)
setup: ; $(TITO) setup $(ARGS)
status: ; $(TITO) status $(ARGS)
test: ; $(TITO) test $(ARGS)
data: ; $(TITO) data $(ARGS)
doctor: ; $(TITO) doctor $(ARGS)
verify: ; $(TITO) verify $(ARGS)
demo: ; $(TITO) demo $(ARGS)
stubs: ; $(TITO) stubs $(ARGS)
bench: ; $(TITO) bench $(ARGS)
budget: ; $(TITO) budget $(ARGS)
gates: ; $(TITO) gates $(ARGS)
oracle: ; $(TITO) oracle $(ARGS)
lessons: ; $(TITO) lessons $(ARGS)
mutants-deep: ; $(TITO) mutants $(ARGS)
