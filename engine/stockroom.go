package engine

import "sync/atomic"

// stockroom is what a namespace has of pools and holds.
type stockroom struct {
	byID atomic.Pointer[poolIndex] // replaced, never changed; every shard is locked when it is
}

// poolIndex is all pools of a namespace.
type poolIndex struct {
	all   []*Pool // by ref - 1
	pools map[string]*Pool
}
