// Package raftlog is the replicated log: the way of a batch of commands into it, and of their results out of it.
package raftlog
