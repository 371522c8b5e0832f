package bench

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// appendLedger adds a row to the reliability ledger: after the last row of its first table.
func appendLedger(path string, m *Machine, command, amount, found string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("bench: ledger: %w", err)
	}
	commit := m.Commit
	if len(commit) > 7 && !strings.Contains(commit, "+") {
		commit = commit[:7]
	}
	row := fmt.Sprintf("| %s | %s | `%s` | %s | %s |", m.At.Format("2006-01-02"), commit, command, amount, found)
	lines := strings.Split(string(text), "\n")
	for i := 1; i < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "|") && strings.HasPrefix(lines[i-1], "| 2") {
			lines = append(lines[:i], append([]string{row}, lines[i:]...)...)
			return os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o644)
		}
	}
	return errors.Join(errors.New("bench: the ledger has no table of runs"), err)
}
