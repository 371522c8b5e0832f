package main

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// steps notes in which order things are done, and refuses one of them.
type steps struct {
	done    []string
	refuses string
}

var errRefused = errors.New("refused")

func (s *steps) step(what string) error {
	if what == s.refuses {
		return errRefused
	}
	s.done = append(s.done, what)
	return nil
}

func (s *steps) MayRemove(context.Context, string) error    { return s.step("ask") }
func (s *steps) Remove(context.Context, string) error       { return s.step("remove") }
func (s *steps) Gone(context.Context, string, string) error { return s.step("burn") }

// TestRemoveAsksFirst: a member that raft would not remove keeps its id.
func TestRemoveAsksFirst(t *testing.T) {
	for refuses, want := range map[string][]string{"ask": nil, "burn": {"ask"}, "remove": {"ask", "burn"}, "": {"ask", "burn", "remove"}} {
		s := &steps{refuses: refuses}
		err := removeMember(t.Context(), s, s, "n2", "key:1")
		if !slices.Equal(s.done, want) || (err == nil) != (refuses == "") {
			t.Errorf("refused to %s: did %v, %v", refuses, s.done, err)
		}
	}
}
