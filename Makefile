# The commands of CONTRIBUTING.md by name. There is nothing to build first: `go build` is all.
.PHONY: test race bench lint sim model mutants kills ci

test:
	go test ./...

race:
	go test -race ./...

bench:
	go test -run '^$$' -bench . -benchmem ./...

lint:
	.ci/lint

sim:
	go test ./internal/test/simulation -run TestNothingIsLost -seeds 2000

model:
	go test ./internal/test/model -run TestProtocol -states 150000

mutants:
	go run ./tools/mutants

kills:
	go test ./cmd -run 'TestKilledProgram|TestFullDisk|TestRedisGoes|TestStatusIsQuick' -everything

ci:
	.ci/run
