# drawd. `make` shows the menu; `make check test` is what CI runs. Nothing is needed beside Go (and a C compiler for
# the race detector).

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Packages whose goroutines share memory: they run once more under the race detector. Those with testing/synctest get one
# processor: Go 1.26 gives all timers of a bubble one race context, and two threads in it crash the detector ("ThreadSanitizer:
# CHECK failed", or SIGSEGV in raceacquirectx). What it detects does not depend on threads running at once.
RACE := . ./engine/... ./internal/drawtest/...
RACE_BUBBLES := ./raftlog/... ./storage/... ./server/... ./sim/...
# Two cores are the smallest machine we build on; more than two test binaries at once make timing tests flaky there.
P ?= 2
T ?= 30s
# The simulation runs for T where T is given: it has no use for the default above.
SIM_T := $(if $(filter command line environment,$(origin T)),$(T))

GO ?= go

.DEFAULT_GOAL := help
.PHONY: help build test check clients bench-quick bench-compare bench-keys bench-oversell bench-figures bench-picture bench-screen bench-agents bench-redis nemesis-mutant failpoints crashloop faults faults-quick fuzz mutants sim soak simulate cover upgrade-test crowds

help: ## Show this menu
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/drawd
	$(GO) build -trimpath -o bin/drawd ./cmd/drawd

check: ## Formatting, vet, staticcheck, modules, architecture rules
	@unformatted="$$(gofmt -l .)"; if [ -n "$$unformatted" ]; then echo "gofmt -w these:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(GO) test -count=1 ./internal/lint/

test: ## All tests, then those of the concurrent packages under the race detector
	$(GO) test -p $(P) ./...
	CGO_ENABLED=1 $(GO) test -p $(P) -short -race $(RACE)
	CGO_ENABLED=1 $(GO) test -p $(P) -short -race -cpu 1 $(RACE_BUBBLES)

cover: ## Coverage of all tests, in coverage.out and coverage.html
	$(GO) test -p $(P) -coverpkg=./... -coverprofile=coverage.out ./...
	$(GO) tool cover -func=coverage.out | tail -n 1
	$(GO) tool cover -html=coverage.out -o coverage.html

clients: ## Generate the TypeScript and Java clients, compile them, let them draw (Node 20, npm, JDK 17)
	examples/clients/generate.sh

fuzz: ## Run every fuzz target for T each (make fuzz T=30s)
	GO="$(GO)" .ci/fuzz $(T)

simulate: ## 10 million draws: exact odds within 5 sigma for every prize (DRAWS=10000000)
	DRAWTEST_DRAWS=$(or $(DRAWS),10000000) $(GO) test -count=1 -v -run '^TestOdds' -timeout 30m ./internal/drawtest/

soak: ## The engine against the reference engine, alone and as replicas of a model log, for T each (make soak T=10m)
	DRAWTEST_SOAK=$(T) $(GO) test -count=1 -v -run '^TestSoak$$' -timeout 0 ./internal/drawtest/
	MODEL_FOR=$(T) $(GO) test -count=1 -v -run '^TestSoak$$' -timeout 0 ./sim/model/

crowds: ## Goroutines as a library over what ends under them, then the same by position, in ROUNDS rounds a scene (1000: 1 min)
	DRAWD_SCENES=$(or $(ROUNDS),1000) $(GO) test -count=1 -v -run '^TestWhatACrowdDecidesFollowsFromItsPositions$$' -timeout 0 ./engine/

sim: ## Clusters in simulated time under nemeses, for T, with a row in the ledger (make sim T=60m); without T 20 simulated hours (5 min)
	GOGC=400 SIM_FOR=$(SIM_T) SIM_SEED=$(or $(SIM_SEED),$(if $(SIM_T),,3000)) SIM_HOURS=$(if $(SIM_T),,20) SIM_NODES=$(or $(NODES),any) SIM_LEDGER=$(if $(SIM_T),../docs/reliability-ledger.md) \
	SIM_COMMIT=$(shell git rev-parse --short HEAD) $(GO) test -count=1 -cpu 1 -v -run '^TestLong$$' -timeout 0 ./sim/

mutants: ## Planted faults, one after the other: the simulation must find each (minutes)
	$(GO) test -count=1 -cpu 1 -v -tags mutants -run '^TestMutants$$' -timeout 60m ./sim/

bench-quick: ## A smoke run of the load test, as CI has it: verdicts count, figures do not (1 min)
	GO="$(GO)" .ci/bench-quick bin

bench-compare: ## Micro benchmarks of REF and of this tree in turn, by benchstat (REF=main BENCH=. COUNT=6)
	GO="$(GO)" .ci/bench-compare "$(REF)" "$(or $(BENCH),.)" "$(or $(COUNT),6)" $(PACKAGES)

bench-figures: build ## The figures of performance.md, with a verdict (minutes; wants an idle machine)
	bin/drawd bench calibrate
	bin/drawd bench flash --self --users 1000000 --duration 30s
	bin/drawd bench table

bench-keys: ## What KEYS remembered keys take once they are packed, and the longest step (KEYS=200000000: 5 min, 6 GiB; LEISURE=1: the larger steps of a quiet cluster)
	KEYS=$(or $(KEYS),200000000) "$(GO)" test ./engine -run '^$$' -bench OldKeys -benchtime 1x -timeout 30m

bench-oversell: ## Builds that oversell, or forget holds: bench flash and bench crashloop must end with 21 and name what
	$(GO) test -tags mutants -count=1 -v -run '^TestBenchFindsAPlantedOversell$$|^TestCrashLoopFindsForgottenHolds$$' ./cmd/drawd

nemesis-mutant: ## A build that acknowledges too early: bench nemesis must end with 21 and say what was lost (wants root, iproute2)
	$(GO) test -tags mutants -count=1 -v -run '^TestNemesisFindsWhatWasAcknowledgedTooEarly$$' ./cmd/drawd

failpoints: ## A build that dies at named points of its code, under load, and starts again: nothing may be lost (1 min)
	$(GO) test -tags failpoints -count=1 -v -run '^TestDeathAtEachPoint$$' ./cmd/drawd

bench-picture: build ## docs/flash-report.png: the page of a flash crowd as a picture; dark, and on a phone, in bin/ (20 s; wants chromium)
	bin/drawd bench flash --self --users 65000 --over 9s --duration 12s --min-logged 40000 --html bin/flash-report.html --out bin/flash-run.json
	bench/report/picture.sh bin/flash-report.html docs/flash-report.png
	bench/report/picture.sh bin/flash-report.html bin/flash-report-dark.png 1850 1320 dark
	bench/report/picture.sh bin/flash-report.html bin/flash-report-phone.png 5200 390 dark

bench-screen: build ## The terminal screen of a flash crowd as text, 80 and 120 columns wide (1 min; wants tmux)
	bench/report/screen.sh 3 80 bin/drawd bench flash --self --users 65000 --over 9s --duration 12s --min-logged 40000
	bench/report/screen.sh 3 120 bin/drawd bench flash --self --users 65000 --over 9s --duration 12s --min-logged 40000

bench-agents: build ## Load from two agents, each in a network namespace of its own, at a daemon in a third (30 s; wants root, iproute2)
	.ci/bench-agents bin/drawd --users 20000 --over 6s --duration 8s --min-logged 10000

bench-redis: ## Draws over RESP beside a Redis Lua script, both durable (PAIRS=5; wants redis-server and an idle machine)
	bench/peers/redis/compare.sh $(or $(PAIRS),5)

faults: build ## Disks, kills, pauses and cuts of real processes, rows in the ledger (25 min; wants root, strace, iproute2)
	bin/drawd bench disk --ledger docs/reliability-ledger.md
	bin/drawd bench nemesis --faults kill --rounds 240 --max-load 150ms --ledger docs/reliability-ledger.md
	bin/drawd bench nemesis --faults network,pause --rounds 200 --max-load 150ms --ledger docs/reliability-ledger.md
	bin/drawd bench nemesis --faults link --rounds 100 --long-hold 15s --ledger docs/reliability-ledger.md
	bin/drawd bench failover --ledger docs/reliability-ledger.md

faults-quick: build ## Six kills of one process, and nine faults of three: in network namespaces where they can be made, else on loopback (40 s)
	bin/drawd bench crashloop --kills 6 --per-dir 3
	if bin/drawd bench nemesis --rounds 1 --faults network >/dev/null 2>&1; then bin/drawd bench nemesis --rounds 9; \
	else bin/drawd bench nemesis --rounds 6 --loopback --faults kill,pause; fi

upgrade-test: ## A cluster of the drawd of another revision is rolled to this tree under draws, and back while mixed (FROM=ref)
	GO="$(GO)" .ci/upgrade-test "$(FROM)"

crashloop: build ## The daemon is killed under load KILLS times, its data checked each time (KILLS=200)
	bin/drawd bench crashloop --kills $(or $(KILLS),200)
