package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// beDrawd, in the environment, makes the test binary the real one: daemons are started as processes of their own.
const beDrawd = "BE_DRAWD"

func TestMain(m *testing.M) {
	if os.Getenv(beDrawd) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"drawd": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// exits CODE COMMAND ARGS…: the command ends with exactly this code.
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				want, err := strconv.Atoi(args[0])
				if neg || err != nil || len(args) < 2 {
					ts.Fatalf("usage: exits CODE COMMAND ARGS…")
				}
				code := 0
				var exit *exec.ExitError
				if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
					code = exit.ExitCode()
				} else if err != nil {
					ts.Fatalf("%v", err)
				}
				if code != want {
					ts.Fatalf("exit code %d, want %d", code, want)
				}
			},
		},
	})
}
