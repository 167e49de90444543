package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// testTimeout bounds one suite. Running into it is no verdict.
const testTimeout = 15 * time.Minute

// verdict is what became of one mutant.
type verdict struct {
	mutant
	pkg, test string // the first test that failed
	trouble   error  // why there is no verdict
	said      string // the last lines before the failure
	took      time.Duration
}

func (v verdict) caught() bool { return v.test != "" && v.trouble == nil }

func (v verdict) words() string {
	switch {
	case v.trouble != nil:
		return "NO VERDICT: " + v.trouble.Error()
	case v.test == "":
		return "SURVIVED"
	default:
		return v.test
	}
}

// bench builds and runs test programs.
type bench struct{ root, dir string }

// try runs the mutant's suites until a test fails.
func (b *bench) try(ctx context.Context, m mutant) (v verdict) {
	v.mutant = m
	start := time.Now()
	defer func() { v.took = time.Since(start) }()
	dir := filepath.Join(b.dir, m.name)
	overlay, err := b.overlay(m, dir)
	if err != nil {
		v.trouble = err
		return v
	}
	built := map[string]string{}
	for _, s := range m.suites {
		if built[s.pkg] == "" {
			if built[s.pkg], v.trouble = b.build(ctx, s.pkg, dir, "-overlay", overlay); v.trouble != nil {
				return v
			}
		}
		v.pkg = s.pkg
		v.test, v.said, v.trouble = b.test(ctx, s.pkg, built[s.pkg], s.tests)
		if v.test != "" || v.trouble != nil {
			break
		}
	}
	_ = os.RemoveAll(dir) // test programs are large; the whole goes at the end
	return v
}

// overlay writes the broken files, and the list by which the compiler takes them
// for the sound ones.
func (b *bench) overlay(m mutant, dir string) (string, error) {
	files, err := m.apply(func(file string) (string, error) {
		raw, err := os.ReadFile(filepath.Join(b.root, filepath.FromSlash(file)))
		return string(raw), err
	})
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, text := range files {
		broken := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(broken, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(b.root, filepath.FromSlash(file))] = broken
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, raw, 0o600)
}

// build makes a package's test program. A mutant that does not compile shows
// nothing about the tests.
func (b *bench) build(ctx context.Context, pkg, dir string, flags ...string) (string, error) {
	program := filepath.Join(dir, strings.ReplaceAll(pkg, "/", "_")+".test")
	args := append([]string{"test", "-c", "-ldflags=-w", "-o", program}, flags...) // -w: links faster
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+pkg)...)
	cmd.Dir = b.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("does not build: %w\n%s", err, out)
	}
	return program, nil
}

// failed is the line that tells of a failure. A test program that writes for a
// converter marks it, and writes that of a subtest at once, before its parent's.
var failed = regexp.MustCompile(`^\x16 *--- FAIL: (\S+) \(`)

// test runs a test program up to the first test that fails; "": all passed. A
// panic is trouble: it says that the mutant is clumsy, not that a test is good.
func (b *bench) test(ctx context.Context, pkg, program, tests string) (test, said string, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	args := []string{"-test.v=test2json", "-test.failfast", "-test.timeout", testTimeout.String(), "-test.run", tests}
	if b.drawsValues(pkg) {
		args = append(args, "-rapid.nofailfile") // else it writes what failed into the tree
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = filepath.Join(b.root, filepath.FromSlash(pkg))
	cmd.WaitDelay = time.Second // children of a test may hold the pipe
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		return "", "", err
	}
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		w.CloseWithError(err)
		ended <- err
	}()
	test, said, ran := watch(r)
	stop()
	_ = r.Close()
	err = <-ended
	switch {
	case strings.HasPrefix(said, "panic: ") || strings.Contains(said, "\npanic: "):
		return "", said, errors.New("panics")
	case test != "":
		return test, said, nil
	case err != nil:
		return "", said, err
	case !ran:
		return "", said, fmt.Errorf("no test is called %s", tests)
	}
	return "", "", nil
}

// drawsValues reports whether a package has property tests.
func (b *bench) drawsValues(pkg string) bool {
	files, _ := filepath.Glob(filepath.Join(b.root, filepath.FromSlash(pkg), "*_test.go"))
	return slices.ContainsFunc(files, func(file string) bool {
		raw, err := os.ReadFile(file)
		return err == nil && bytes.Contains(raw, []byte(`"pgregory.net/rapid"`))
	})
}

// watch reads until the line after the first failure and those of its parents,
// where a panic would stand, or to the end.
func watch(r io.Reader) (test, said string, ran bool) {
	const kept = 25
	var last []string
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line := lines.Text()
		ran = ran || strings.Contains(line, "=== RUN")
		if last = append(last, strings.ReplaceAll(line, "\x16", "")); len(last) > kept {
			last = last[1:]
		}
		m := failed.FindStringSubmatch(line)
		switch {
		case m != nil && test == "":
			test = m[1]
		case m == nil && test != "" && !strings.Contains(line, "=== NAME"):
			return test, strings.Join(last, "\n"), ran
		}
	}
	return test, strings.Join(last, "\n"), ran
}

// control runs every test that caught a mutant on the sound program: one that
// fails there, too, has caught nothing.
func (b *bench) control(ctx context.Context, verdicts []verdict) error {
	caught := map[string][]string{}
	for _, v := range verdicts {
		if v.caught() {
			caught[v.pkg] = append(caught[v.pkg], exactly(v.test))
		}
	}
	for pkg, tests := range caught {
		program, err := b.build(ctx, pkg, b.dir)
		if err != nil {
			return fmt.Errorf("%s: %w", pkg, err)
		}
		test, said, err := b.test(ctx, pkg, program, strings.Join(tests, "|"))
		if err != nil {
			return fmt.Errorf("%s: %w", pkg, err)
		}
		if test != "" {
			return fmt.Errorf("%s: %s fails without any mutant:\n%s", pkg, test, indent(said))
		}
	}
	return nil
}

// exactly is the pattern of one test, subtests by level.
func exactly(test string) string {
	parts := strings.Split(test, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}
