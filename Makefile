# Everything a developer runs. The work is done by the scripts in dev/.

SEEDS ?= 100000
FUZZ_SECONDS = $(or $(SECONDS),60)

.DEFAULT_GOAL := help
.PHONY: help test soak bench fuzz lint fmt clean-cache

help: ## show this
	@echo "KvCluster: a strongly consistent key-value store for Kubernetes"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

test: ## install what is missing, then run every check and test
	@dev/test

soak: ## simulate SEEDS=100000 seeds; goes on where it stopped
	@dev/soak $(SEEDS)

bench: ## measure the consensus core alone
	@dev/cargo run --locked -p raft --example bench

fuzz: ## run every fuzz target for SECONDS=60
	@dev/fuzz $(FUZZ_SECONDS)

lint: ## formatting and lints only
	@dev/lint

fmt: ## format all code
	@dev/cargo fmt --all

clean-cache: ## delete build artefacts and the soak's state
	@dev/clean-cache
