package sim

import (
	"fmt"
	"slices"
	"time"
)

// nemesis is one way to break a cluster.
type nemesis struct {
	name   string
	nodes  int // the fewest with which it makes sense
	weight int // how often it acts, beside the others
	act    func(w *World)
}

// nemeses are all of them, by name.
func nemeses() []nemesis {
	return []nemesis{
		{"power", 1, 10, (*World).cutOne},
		{"power-majority", 3, 4, (*World).cutMajority},
		{"power-all", 1, 4, (*World).cutAll},
		{"kill", 1, 6, (*World).killOne},
		{"disk-error", 1, 3, (*World).breakDisk},
		{"disk-stall", 1, 4, (*World).stallDisk},
		{"disk-full", 1, 2, (*World).fillDisk},
		{"clock", 1, 5, (*World).jumpClock},
		{"pair", 2, 10, (*World).cutPair},
		{"isolate", 3, 8, (*World).isolateOne},
		{"isolate-leader", 3, 8, (*World).isolateLeader},
		{"one-way", 2, 8, (*World).cutOneWay},
		{"flapping", 2, 4, (*World).flap},
		{"slow", 2, 6, (*World).slowNode},
		{"pause", 2, 6, (*World).pauseOne},
		{"transfer", 2, 3, (*World).transfer},
		{"caller", 1, 6, (*World).cutCaller},
		{"wipe", 3, 2, (*World).replaceOne},
		{"rot", 3, 2, (*World).rotOne},
		{"rollback", 3, 2, (*World).rollOneBack},
	}
}

// torment lets nemeses act, for so long.
func (w *World) torment(length time.Duration) {
	var all []nemesis
	sum := 0
	for _, n := range nemeses() {
		if n.nodes <= w.options.Nodes && (len(w.options.Nemeses) == 0 || slices.Contains(w.options.Nemeses, n.name)) {
			all = append(all, n)
			sum += n.weight
		}
	}
	for end := time.Now().Add(length); time.Now().Before(end) && len(w.faults()) == 0; {
		time.Sleep(w.about(w.options.Calm))
		w.acceptClocks()
		w.keptOut()
		if sum == 0 {
			continue
		}
		pick := w.intn(sum)
		for _, n := range all {
			if pick -= n.weight; pick < 0 {
				n.act(w)
				break
			}
		}
	}
}

// heal takes every fault back, and starts what is down.
func (w *World) heal() {
	w.trace.Add("everything is healed")
	w.mu.Lock()
	w.mu.settling = true
	w.mu.Unlock()
	w.network.Heal()
	for _, m := range w.machines() {
		m.clock.Right()
		m.free.Store(freeBytes)
		if r := m.current(); r != nil {
			r.stall(0)
		}
		w.restart(m)
	}
}

// did notes an act.
func (w *World) did(name, format string, args ...any) {
	w.count(name)
	w.trace.Add("%s: %s", name, fmt.Sprintf(format, args...))
}

// some returns n machines that have a working disk, in random order.
func (w *World) some(n int) []*machine {
	all := slices.DeleteFunc(w.machines(), func(m *machine) bool { return !m.usable() })
	for i := range all {
		j := i + w.intn(len(all)-i)
		all[i], all[j] = all[j], all[i]
	}
	return all[:min(n, len(all))]
}

// leader returns the machine whose node says that it leads; a random one when none does.
func (w *World) leader() *machine {
	for _, r := range w.running() {
		if r.node.Status().Leader {
			return r.machine
		}
	}
	return w.some(1)[0]
}

// cut cuts the power of some machines at one moment, and gives it back one after the other.
func (w *World) cut(name string, all []*machine) {
	kept, silence := w.intn(101), w.intn(2) == 0
	cut := 0
	wanted := w.wanted()
	for _, m := range all {
		if m.kill(silence, kept) {
			w.did(name, "%s, %d %% of what was not synced is kept, silent %v", m.id, kept, silence)
			w.count("power cuts")
			cut++
		}
	}
	if cut == wanted {
		w.count("whole-cluster power cuts")
	}
	for _, m := range all {
		w.later(w.about(time.Second), func() { w.restart(m) })
	}
}

func (w *World) cutOne()      { w.cut("power", w.some(1)) }
func (w *World) cutMajority() { w.cut("power-majority", w.some(w.options.Nodes/2+1)) }
func (w *World) cutAll()      { w.cut("power-all", w.some(w.options.Nodes)) }

// killOne is a SIGKILL: what was written stays.
func (w *World) killOne() {
	m := w.some(1)[0]
	if w.intn(2) == 0 {
		m = w.leader()
	}
	if m.kill(false, 100) {
		w.did("kill", "%s", m.id)
	}
	w.later(w.about(500*time.Millisecond), func() { w.restart(m) })
}

// breakDisk makes the next write or sync of a log fail, which must end the process.
func (w *World) breakDisk() {
	r := w.some(1)[0].current()
	if r == nil || r.dead.Load() {
		return
	}
	w.did("disk-error", "%s", r)
	r.disk.mu.Lock()
	defer r.disk.mu.Unlock()
	r.disk.mu.fail = errDisk
}

// stall makes syncs of the log take until so long from now.
func (r *run) stall(d time.Duration) {
	r.disk.mu.Lock()
	defer r.disk.mu.Unlock()
	r.disk.mu.stalls = time.Now().Add(d)
}

// stallDisk makes the disk slow, or hang for longer than a leader may bear.
func (w *World) stallDisk() {
	r := w.some(1)[0].current()
	if r == nil {
		return
	}
	d := time.Duration(50+w.intn(2000)) * time.Millisecond
	if w.intn(4) == 0 {
		d = time.Duration(5+w.intn(20)) * time.Second
	}
	w.did("disk-stall", "%s, %v", r, d)
	r.stall(d)
}

// fillDisk leaves little room, and makes room again.
func (w *World) fillDisk() {
	m := w.some(1)[0]
	w.did("disk-full", "%s", m.id)
	m.free.Store(1 << 20)
	w.later(time.Duration(1+w.intn(6))*time.Second, func() { m.free.Store(freeBytes) })
}

// jumpClock sets a clock, and sets it right again.
func (w *World) jumpClock() {
	m := w.some(1)[0]
	by := time.Duration(w.intn(4000)-2000) * time.Millisecond
	if w.intn(3) == 0 {
		by = time.Duration(w.intn(7200)-3600) * time.Second
	}
	w.did("clock", "%s by %v", m.id, by)
	m.clock.Jump(by)
	w.later(w.about(4*time.Second), func() {
		m.clock.Right()
		w.acceptClocks()
	})
}

// acceptClocks is the operator's: a node that was started, or led, while a clock was ahead may have moved log time there,
// and then trusts no clock that is right until somebody says so.
func (w *World) acceptClocks() {
	for _, r := range w.running() {
		if r.node.Status().ClockSkew != "" {
			w.count("clocks accepted")
			w.trace.Add("the operator accepts the clock of %s: %v", r, r.node.AcceptClock())
		}
	}
}

// sever cuts directions, for about as long as said; with reset the connections over them break, too.
func (w *World) sever(directions [][2]string, mean time.Duration) {
	w.count("partitions")
	reset := w.intn(2) == 0
	for _, d := range directions {
		w.network.Cut(d[0], d[1], true)
		if reset {
			w.network.Reset(d[0], d[1])
		}
	}
	w.later(w.about(mean), func() {
		for _, d := range directions {
			w.network.Cut(d[0], d[1], false)
		}
	})
}

func both(a, b string) [][2]string { return [][2]string{{a, b}, {b, a}} }

// around returns the directions from a machine to all others, and back if both.
func (w *World) around(m *machine, from, to bool) (all [][2]string) {
	for _, other := range w.machines() {
		if other != m && from {
			all = append(all, [2]string{m.id, other.id})
		}
		if other != m && to {
			all = append(all, [2]string{other.id, m.id})
		}
	}
	return all
}

const partitionTime = 3 * time.Second

func (w *World) cutPair() {
	two := w.some(2)
	w.did("pair", "%s and %s", two[0].id, two[1].id)
	w.sever(both(two[0].id, two[1].id), partitionTime)
}

func (w *World) isolateOne() {
	m := w.some(1)[0]
	w.did("isolate", "%s", m.id)
	w.sever(w.around(m, true, true), partitionTime)
}

func (w *World) isolateLeader() {
	m := w.leader()
	w.did("isolate-leader", "%s", m.id)
	w.sever(w.around(m, true, true), partitionTime)
}

func (w *World) cutOneWay() {
	m := w.some(1)[0]
	if w.intn(2) == 0 {
		m = w.leader()
	}
	out := w.intn(2) == 0
	w.did("one-way", "%s, outgoing %v", m.id, out)
	w.sever(w.around(m, out, !out), partitionTime)
}

// cutCaller cuts one direction between a caller and a machine's data plane, and resets nothing: requests that never come, or
// answers.
func (w *World) cutCaller() {
	m, c := w.some(1)[0], callerAddress(1+w.intn(w.options.Clients))
	from, to := c, m.apiAddress()
	if w.intn(2) == 0 {
		from, to = to, from
	}
	w.did("caller", "from %s to %s", from, to)
	w.network.Cut(from, to, true)
	w.later(w.about(partitionTime), func() { w.network.Cut(from, to, false) })
}

// flap cuts and restores a pair of links every 50 ms.
func (w *World) flap() {
	two := w.some(2)
	w.did("flapping", "%s and %s", two[0].id, two[1].id)
	w.later(0, func() {
		for range 20 + w.intn(40) {
			for _, d := range both(two[0].id, two[1].id) {
				w.network.Cut(d[0], d[1], true)
			}
			w.sleep(50 * time.Millisecond)
			for _, d := range both(two[0].id, two[1].id) {
				w.network.Cut(d[0], d[1], false)
			}
			w.sleep(50 * time.Millisecond)
		}
	})
}

// slowNode makes a machine's links slow.
func (w *World) slowNode() {
	m := w.some(1)[0]
	w.did("slow", "%s", m.id)
	directions := w.around(m, true, true)
	for _, d := range directions {
		w.network.Slow(d[0], d[1], true)
	}
	w.later(w.about(partitionTime), func() {
		for _, d := range directions {
			w.network.Slow(d[0], d[1], false)
		}
	})
}

// pauseOne stops a machine's disk and network for a while: nothing comes out of it and nothing gets in. Its timers go on,
// unlike those of a process that is stopped.
func (w *World) pauseOne() {
	m := w.leader()
	if w.intn(2) == 0 {
		m = w.some(1)[0]
	}
	r := m.current()
	if r == nil {
		return
	}
	d := time.Duration(100+w.intn(3500)) * time.Millisecond
	w.did("pause", "%s, %v", r, d)
	r.stall(d)
	directions := w.around(m, true, true)
	for c := range w.options.Clients {
		directions = append(directions, both(m.apiAddress(), callerAddress(c+1))...)
	}
	for _, x := range directions {
		w.network.Cut(x[0], x[1], true)
	}
	w.later(d, func() {
		for _, x := range directions {
			w.network.Cut(x[0], x[1], false)
		}
	})
}
