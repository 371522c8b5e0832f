package resp

import (
	"os"
	"strings"
	"testing"
)

// docs/resp.md has every command with its form, and no other.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/resp.md")
	if err != nil {
		t.Fatal(err)
	}
	table := string(page)[strings.Index(string(page), "## Commands"):strings.Index(string(page), "## Refusals")]
	told := map[string]bool{}
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 2 {
			continue
		}
		for i, form := range strings.Split(cells[1], "`") {
			if i%2 == 0 {
				continue
			}
			name := strings.ToLower(strings.Fields(form)[0])
			if c, ok := commands[name]; !ok {
				t.Errorf("%s is documented and does not exist", form)
			} else if c.form != form {
				t.Errorf("documented as %q, but it is %q", form, c.form)
			}
			told[name] = true
		}
	}
	for name := range commands {
		if !told[name] {
			t.Errorf("%s is not documented", name)
		}
	}
}
