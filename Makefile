# Everything a developer runs. The work is done by the scripts in dev/.

SEEDS ?= 100000
FUZZ_SECONDS = $(or $(SECONDS),60)

.DEFAULT_GOAL := help
.PHONY: help demo test test-e2e soak bench bench-full bench-core fuzz lint fmt clean-cache

help: ## show this
	@echo "KvCluster: a strongly consistent key-value store for Kubernetes"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

test: ## install what is missing, then run every check and test
	@dev/test

demo: ## see it on a real Kubernetes, started here as root unless KUBECONFIG names one
	@dev/demo

test-e2e: ## all tests on a real Kubernetes, as above
	@dev/e2e full

soak: ## simulate SEEDS=100000 seeds; goes on where it stopped
	@dev/soak $(SEEDS)

bench: ## measure against etcd, 3 runs of 10 s a row: about half an hour, needs Go
	@dev/bench compare

bench-full: ## all rows, 5 runs of 60 s, slow disks, dead leaders, overload, new members: a day
	@dev/bench compare --full --runs 5 --seconds 60 --warm-up 10 --plot docs/throughput-latency.svg
	@dev/bench compare --sync-delay 1000
	@dev/bench failover
	@dev/bench overload
	@dev/bench catch-up
	@dev/bench memory

bench-core: ## measure the consensus core alone
	@dev/cargo run --locked -p raft --example bench

fuzz: ## run every fuzz target for SECONDS=60
	@dev/fuzz $(FUZZ_SECONDS)

lint: ## formatting and lints only
	@dev/lint

fmt: ## format all code
	@dev/cargo fmt --all

clean-cache: ## delete build artefacts and the soak's state
	@dev/clean-cache
