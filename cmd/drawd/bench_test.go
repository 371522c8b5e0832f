package main

import (
	"testing"

	"github.com/drawd/drawd/bench"
)

// TestEveryScenarioHasItsCommand holds the list against the commands: one that is listed can be run, under the same line.
func TestEveryScenarioHasItsCommand(t *testing.T) {
	c := (&app{}).benchCommand()
	commands := map[string]string{}
	for _, sub := range c.Commands() {
		commands[sub.Name()] = sub.Short
	}
	for _, s := range bench.Scenarios() {
		if commands[s.Name] != s.Short {
			t.Errorf("%s is listed as %q, its command says %q", s.Name, s.Short, commands[s.Name])
		}
		delete(commands, s.Name)
	}
	for _, tool := range []string{"list", "report", "compare", "agent", "empty"} {
		delete(commands, tool)
	}
	if len(commands) > 0 {
		t.Errorf("commands that are not listed: %v", commands)
	}
}
