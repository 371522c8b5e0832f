package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A command that there is not is an error, also when --help is asked of it.
func TestUnknownCommandWithHelp(t *testing.T) {
	for _, args := range [][]string{{"frobnicate", "--help"}, {"campaign", "frob", "-h"}, {"--help", "frobnicate"}} {
		var stdout, stderr bytes.Buffer
		if code := run(args, nil, nil, &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), "has no command") || stdout.Len() > 0 {
			t.Errorf("%v: exit %d, %s%s", args, code, stdout.String(), stderr.String())
		}
	}
	for _, args := range [][]string{{"--help"}, {"campaign", "--help"}, {"award", "delivered", "--help"}} {
		var stdout, stderr bytes.Buffer
		if code := run(args, nil, nil, &stdout, &stderr); code != 0 || !strings.Contains(stdout.String(), "Usage:") || stderr.Len() > 0 {
			t.Errorf("%v: exit %d, %s%s", args, code, stdout.String(), stderr.String())
		}
	}
}

// All example files are checked at once, the policy among them as what it is; one that is wrong makes the exit code, and the others are
// checked too.
func TestValidateManyFiles(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	var stdout, stderr bytes.Buffer
	if code := run(append([]string{"campaign", "validate"}, files...), nil, nil, &stdout, &stderr); code != 0 || strings.Count(stdout.String(), " is valid: ") != len(files) {
		t.Errorf("exit %d, %s", code, stderr.String())
	}
	if !strings.Contains(stdout.String(), "resale-policy.yaml is valid: a namespace's policy, 2 caps") {
		t.Errorf("the policy is not told: %s", stdout.String())
	}
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("campaign: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout.Reset()
	if code := run([]string{"campaign", "validate", bad, files[0]}, nil, nil, &stdout, &stderr); code != exitInvalid || strings.Count(stdout.String(), " is valid: ") != 1 {
		t.Errorf("exit %d, %s%s", code, stdout.String(), stderr.String())
	}
}
