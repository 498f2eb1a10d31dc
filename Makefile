.PHONY: run test sim chaos fuzz check fmt bench bench-peers clean lock
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE  # without compiled files each process takes twice as long to start

run:
	@python3 scripts/bootstrap.py runtime
	@exec $(BIN)/commonroom serve

test:
	@python3 scripts/bootstrap.py dev node browser
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -n 3 --dist worksteal --cov --cov-report=term --cov-fail-under=85

sim:
	@python3 scripts/bootstrap.py dev
	@$(BIN)/python -m tests.cluster $(if $(FROM),--from $(FROM)) --seeds $(or $(SEEDS),1000)

chaos:
	@python3 scripts/bootstrap.py dev
	@SEED=$(SEED) SECONDS=$(or $(SECONDS),600) $(BIN)/python -m tests.chaos

fuzz:
	@python3 scripts/bootstrap.py dev
	@SEED=$(SEED) SECONDS=$(or $(SECONDS),300) $(BIN)/python -m tests.fuzz

check:
	@python3 scripts/bootstrap.py dev node
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/check.py

fmt:
	@python3 scripts/bootstrap.py dev
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format --quiet .

bench:
	@python3 scripts/bootstrap.py runtime
	@$(BIN)/commonroom bench short

bench-peers:
	@python3 scripts/bootstrap.py runtime
	@python3 scripts/bench_peers.py

clean:
	@rm -rf .venv .peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* build dist test-artifacts
	@rm -rf client/node_modules client/dist web/node_modules commonroom/bench/peers/node_modules && find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock:
	@uv pip compile -q --universal --generate-hashes --python-version 3.11 --group build pyproject.toml -o requirements.lock
	@uv pip compile -q --universal --generate-hashes --python-version 3.11 --group build --group dev pyproject.toml -o requirements-dev.lock
