package server

import (
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/control"
)

// health is the node as the planes see it: with the server's own condition, which is that it is not shutting down.
type health struct{ server *Server }

// Status adds the server's check to the node's.
func (h health) Status() control.Status {
	status := h.server.options.Node.Status()
	check := control.Check{Name: "serving"}
	switch {
	case h.server.draining.Load():
		check.Code, check.Message = problem.NoLeader, "the node is shutting down"
	case h.server.drained.Load():
		check.Code, check.Message = problem.NoLeader, "an operator has drained the node: drawd cluster drain --off takes it back"
	}
	status.Checks = append(status.Checks[:len(status.Checks):len(status.Checks)], check)
	return status
}

// AcceptClock hands the operator's word on.
func (h health) AcceptClock() error { return h.server.options.Node.AcceptClock() }

// Ready returns nil, or the first reason why no traffic should come here.
func (h health) Ready() error {
	status := h.Status()
	for _, c := range status.Checks {
		if c.Code != problem.OK {
			return problem.New(c.Code, c.Message)
		}
	}
	return nil
}

// Checks calls fn for every condition.
func (h health) Checks(fn func(name string, code problem.Code, message string)) {
	status := h.Status()
	for _, c := range status.Checks {
		fn(c.Name, c.Code, c.Message)
	}
}
