package engine

// A lock costs an atomic operation to take and one to let go, and each waits for the stores before it. Apply therefore
// takes the locks of many draws at once where there are many: every shard for a run of draws, and a campaign's for the
// draws in a row that are its own. Results do not depend on it: Apply is the only one who writes.
const (
	// bulkDraws and bulkRecords bound a run, and so how long a reader waits for a shard: some 0.2 ms. A sub-draw is a
	// record.
	bulkDraws   = 256
	bulkRecords = 2 * bulkDraws
	// bulkLeast is the shortest run worth it: a reader beside short entries waits for one draw.
	bulkLeast = 48
)

// beginBulk takes every shard for the draws from command n on, if there are enough of them. count is the entry's.
func (t *tx) beginBulk(n, count int) {
	run := min(count-n, bulkDraws)
	t.bulkEnd, t.bulkMax = n+run, len(t.out.offsets)+bulkRecords
	if run < max(bulkLeast, len(t.world.shards)/2) {
		return // as many atomic operations as one by one
	}
	t.world.lockAll()
	t.bulk = true
}

// endBulk lets go what a run holds. Whoever needs locks of his own calls it first.
func (t *tx) endBulk() {
	if !t.bulk {
		return
	}
	if t.holds != nil {
		t.holds.mu.Unlock()
		t.holds = nil
	}
	t.bulk = false
	t.world.unlockAll()
}

// lockCampaign takes the campaign's lock, or keeps it from the draw before.
func (t *tx) lockCampaign(c *Campaign) {
	if t.holds == c {
		return
	}
	if t.holds != nil {
		t.holds.mu.Unlock()
		t.holds = nil
	}
	c.mu.Lock()
	if t.bulk {
		t.holds = c
	}
}

func (t *tx) unlockCampaign(c *Campaign) {
	if t.holds != c {
		c.mu.Unlock()
	}
}
