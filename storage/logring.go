package storage

// ring holds the newest records of the log, with consecutive indexes, up to a number of bytes. It retains what it is given. It is
// not synchronised.
type ring struct {
	records []LogRecord // a power of two of places; the record at index i stands in place i mod len
	first   uint64      // index of the oldest
	count   int
	bytes   int64
	limit   int64
}

// ringOverhead is charged per record beside its data: the place itself, with the room that doubling leaves.
const ringOverhead = 192

func ringCost(r *LogRecord) int64 { return ringOverhead + int64(len(r.Data)+len(r.Extensions)) }

func (g *ring) place(index uint64) *LogRecord { return &g.records[index&uint64(len(g.records)-1)] }

// get returns the record at index, nil when it is not held. It is valid until the ring changes.
func (g *ring) get(index uint64) *LogRecord {
	if index < g.first || index-g.first >= uint64(g.count) {
		return nil
	}
	return g.place(index)
}

// push adds the next record and drops the oldest ones beyond the limit. A record that does not follow the newest one empties the
// ring first. The newest record is held whatever its size.
func (g *ring) push(r *LogRecord) {
	if g.count > 0 && r.Index != g.first+uint64(g.count) {
		g.clear()
	}
	if g.count == 0 {
		g.first = r.Index
	}
	if g.count == len(g.records) {
		g.grow()
	}
	*g.place(r.Index) = *r
	g.count++
	g.bytes += ringCost(r)
	for g.bytes > g.limit && g.count > 1 {
		g.drop(g.first)
		g.first++
	}
}

// truncate drops the records from index on.
func (g *ring) truncate(from uint64) {
	for g.count > 0 && g.first+uint64(g.count) > from {
		g.drop(g.first + uint64(g.count) - 1)
	}
}

func (g *ring) clear() { g.truncate(0) }

func (g *ring) drop(index uint64) {
	p := g.place(index)
	g.bytes -= ringCost(p)
	*p = LogRecord{}
	g.count--
}

func (g *ring) grow() {
	old := *g
	g.records = make([]LogRecord, max(64, 2*len(old.records)))
	for i := range uint64(old.count) {
		*g.place(old.first + i) = *old.place(old.first + i)
	}
}
