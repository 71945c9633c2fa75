# The front door. CMake builds (see CMakePresets.json); this file spells the two commands that people need, and a few more.
#
#   make demo    installs what is missing, builds, shows what the program does with the model that is built in
#   make check   installs what is missing, builds, runs every test
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60

.PHONY: help build debug demo check bench fuzz install clean format deps
help:
	@echo "make demo      install what is missing, build, show what the program does"
	@echo "make check     install what is missing, build, run every test"
	@echo "make build     build build/release/wildtype"
	@echo "make bench     measure speed (minutes)"
	@echo "make fuzz      run each fuzzer for FUZZ_SECONDS=$(FUZZ_SECONDS)"
	@echo "make install   install into PREFIX=$(PREFIX)"
	@echo "make format    format the sources"
	@echo "make clean     remove build/"

build:
	cmake --preset release
	cmake --build --preset release -j $(JOBS)

debug:
	cmake --preset debug
	cmake --build --preset debug -j $(JOBS)

demo:
	tools/install-dependencies build
	$(MAKE) build
	tools/demo.sh build/release/wildtype

check:
	tools/install-dependencies build test
	tools/check.sh

bench: build
	tools/bench.sh build/release

fuzz:
	tools/install-dependencies build test fuzz
	cmake --preset fuzz
	cmake --build --preset fuzz -j $(JOBS)
	tools/fuzz.sh build/fuzz $(FUZZ_SECONDS)

install: build
	cmake --install build/release --prefix $(PREFIX)

deps:
	tools/install-dependencies build test fuzz

format:
	clang-format -i $$(git ls-files '*.c' '*.h' | grep -v unicode_table)

clean:
	rm -rf build
