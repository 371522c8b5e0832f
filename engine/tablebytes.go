package engine

// TableBytes is the memory that a campaign's tables take: their pages, as full as they are, and directories. The room that arenas have
// taken beyond is not in it.
type TableBytes struct {
	Users, Keys uint64 // rows
	OfUsers     uint64 // bytes of the users' rows
	OfKeys      uint64 // bytes of the remembered keys, packed ones included
}

// TableBytes adds up the campaign's tables, shard by shard.
func (c *Campaign) TableBytes() (b TableBytes) {
	for i := range c.world.shards {
		c.tableBytes(i, &b)
	}
	return b
}

func (c *Campaign) tableBytes(shard int, b *TableBytes) {
	mu := &c.world.shards[shard].mu
	mu.Lock()
	defer mu.Unlock()
	if t := c.tables[ScopeUser]; t != nil {
		b.Users += uint64(t.parts[shard].Len())
		b.OfUsers += uint64(t.parts[shard].Bytes())
	}
	if c.keys != nil {
		b.Keys += uint64(c.keys.parts[shard].Len())
		b.OfKeys += uint64(c.keys.parts[shard].Bytes())
	}
}
