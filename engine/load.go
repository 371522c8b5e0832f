package engine

import (
	"fmt"
	"slices"
	"sync"

	"github.com/drawd/drawd/engine/internal/pages"
	"github.com/drawd/drawd/internal/mutant"
)

// Loader rebuilds an engine's state from a capture: all its pages, in any order, then the meta. Nothing of the engine
// changes before Finish succeeds.
type Loader struct {
	engine *Engine
	world  *world
	// foreign are pages of an engine with another number of shards: their rows are put in one by one.
	foreign struct {
		sync.Mutex
		pages [][]byte
	}
}

// Loader returns a loader for e.
func (e *Engine) Loader() *Loader { return &Loader{engine: e, world: e.newWorld()} }

// Page takes one page over. It checks the page's own checksum. Several goroutines may call it, but for pages whose ids
// share the upper 32 bits one only: those are of one shard.
func (l *Loader) Page(id PageID, page []byte) error {
	shards, shard, number := id.split()
	if shard >= shards || shards > MaxShards || len(page) != PageSize {
		return fmt.Errorf("engine: page %#x of %d bytes cannot be", uint64(id), len(page))
	}
	if shards != len(l.world.shards) {
		if err := pages.Rows(page, func(uint32, int, pages.Key, []byte) error { return nil }); err != nil {
			return err
		}
		l.foreign.Lock()
		defer l.foreign.Unlock()
		l.foreign.pages = append(l.foreign.pages, clone(page))
		return nil
	}
	return l.world.shards[shard].mu.arena.LoadPage(number, page)
}

// Foreign reports whether pages came from an engine with another number of shards. The loaded state has other pages, so
// the next checkpoint must be a full one that drops those.
func (l *Loader) Foreign() bool { return len(l.foreign.pages) > 0 }

// Finish checks that meta and pages belong together and puts the loaded state in force. After an error the engine is as
// it was, and the loader of no use.
func (l *Loader) Finish(meta []byte) error {
	if err := l.Prepare(meta); err != nil {
		return err
	}
	if mutant.On(mutant.SnapshotNoKeys) {
		for _, c := range *l.world.campaigns.Load() {
			l.world.dropRowTable(c.keys)
			c.keys = l.world.newRowTable(uint32(c.ref)<<3|tableKeys, digestKeyBytes, keyRowBytes)
		}
	}
	l.Swap()
	return nil
}

// Prepare is the part of Finish that can fail: the engine is as it was, whatever it returns.
func (l *Loader) Prepare(meta []byte) error {
	m, err := decodeMeta(meta)
	if err != nil {
		return err
	}
	w := l.world
	if err := w.restore(m); err != nil {
		return err
	}
	for i := range w.shards {
		arena := w.shards[i].mu.arena
		if err := arena.FinishLoad(); err != nil {
			return err
		}
		w.widened = w.widened || arena.Older() // pages that were not looked at since keep their old width on disk
	}
	for _, page := range l.foreign.pages {
		if err := pages.Rows(page, w.insertRow); err != nil {
			return err
		}
	}
	return w.compareRows(m)
}

// Index returns the position of the state that Prepare built.
func (l *Loader) Index() LogIndex { return LogIndex(l.world.applied.Load()) }

// RunningHash returns the running hash of the state that Prepare built.
func (l *Loader) RunningHash() [16]byte { return l.world.clock.running }

// Swap puts the state that Prepare built in force. It is called between two Applies, by the goroutine that applies, once,
// and after Prepare returned nil.
func (l *Loader) Swap() {
	l.engine.world.Store(l.world)
	l.engine.ids.Store(newIDs(l.world.idKey))
}

// restore fills an empty world from a meta.
func (w *world) restore(m *metaCut) error {
	w.clock.index, w.clock.now, w.clock.running = m.index, m.now, m.running
	w.logTime.Store(int64(m.now))
	w.applied.Store(uint64(m.index))
	if err := w.engine.supports(m.level); err != nil {
		return err
	}
	w.level.Store(m.level)
	w.clusterID, w.idKey = m.clusterID, m.idKey
	w.initialized.Store(m.initialized)
	w.documents.restore(m.revision, m.documents)
	for i := range m.namespaces {
		x := &m.namespaces[i]
		n := w.addNamespace(&NewNamespace{Name: x.name, Secret: x.secret})
		n.layout, n.acts, n.holders = x.layout, x.acts, x.holders
		n.keepPending(x.pending)
		for j := range x.policy.AggregateCaps {
			if n.layout.find(x.policy.AggregateCaps[j].ID) == nil {
				return fmt.Errorf("engine: meta: aggregate cap without a place: %w", errTruncated)
			}
		}
		n.fitTables(w)
		n.lists.restore(w, x.lists, ofNamespace|uint32(n.ref)<<3|tableLists)
		if err := n.restorePurses(x.purses, x.policy.Purses); err != nil {
			return err
		}
		if err := n.restoreFatigue(x.fatigue, x.policy.FatigueCaps); err != nil {
			return err
		}
		if err := n.restoreStock(x.stock); err != nil {
			return err
		}
		rules := n.compile(x.policy)
		rules.since = x.since
		n.rules.Store(rules)
		n.users.Store(x.users)
		n.keys.Store(x.keys)
	}
	for i := range m.campaigns {
		if err := w.restoreCampaign(&m.campaigns[i]); err != nil {
			return fmt.Errorf("campaign %q: %w", m.campaigns[i].id, err)
		}
	}
	w.settle(m.now)
	w.findReturns()
	return nil
}

func (w *world) restoreCampaign(x *campaignCut) error {
	n := w.namespace(x.namespace)
	if n == nil || len(x.versions) == 0 {
		return fmt.Errorf("engine: meta: no namespace or version: %w", errTruncated)
	}
	seed, err := w.engine.openSeed(x.sealedSeed)
	if err != nil {
		return err
	}
	live := x.versions[len(x.versions)-1]
	cells := x.books.index()
	for _, id := range live.cells() {
		if _, found := cells[id]; !found {
			return fmt.Errorf("engine: meta: prize without books: %w", errTruncated)
		}
	}
	for i := range live.Caps {
		if live.Caps[i].Scope != ScopeAttribute && x.layout.find(live.Caps[i].ID) == nil {
			return fmt.Errorf("engine: meta: cap without a place: %w", errTruncated)
		}
	}
	if (live.Guard == nil) != (x.burn == nil) || live.takesHelps() && x.layout.find(placeHelps) == nil || n.checkPools(live) != nil {
		return fmt.Errorf("engine: meta: guard without a count, helps without a place, or prize without its pool: %w", errTruncated)
	}
	if err := x.checkMoney(live); err != nil {
		return err
	}
	attributes := attributeRows{names: x.attributes.names, layout: x.attributes.layout}
	if !attributes.complete(live) {
		return fmt.Errorf("engine: meta: cap without a place: %w", errTruncated)
	}
	c := w.newCampaign(n, x.id, x.sealedSeed, seed)
	c.layout, c.reserves, c.money, c.mode, c.mu.seq, c.turned = x.layout, x.reserves, x.money, x.mode, x.seq, x.turned
	c.releases, c.burn, c.moments = x.releases, x.burn, x.moments
	c.off, c.voids, c.codes = x.off, x.voids, x.codes
	c.forced.Store(&x.forced)
	c.shield.Store(x.shield)
	c.keep(x.books)
	if c.restoreChances(x.chances, x.versions) {
		return fmt.Errorf("engine: meta: chances without a place: %w", errTruncated)
	}
	if c.missingCodes(live) {
		return fmt.Errorf("engine: meta: codes without a book: %w", errTruncated)
	}
	if c.missingPity(live) {
		return fmt.Errorf("engine: meta: pity without a place or a reserve: %w", errTruncated)
	}
	c.attributes, w.forms = attributes, w.forms+formBytes(x.versions)
	c.lists.restore(w, x.lists, uint32(c.ref)<<3|tableLists)
	if c.restoreAwards(x.awards, live) {
		return fmt.Errorf("engine: meta: awards without a table or a place: %w", errTruncated)
	}
	if !x.remembers {
		w.dropRowTable(c.keys)
		c.keys = nil
	}
	c.control.Store(x.control)
	c.versions.Store(&x.versions)
	c.raffles.Store(&x.raffles)
	c.fitTables(0)
	if c.compileReleases(live); slices.ContainsFunc(c.releases, func(r releaser) bool { return r.schedule == nil }) {
		return fmt.Errorf("engine: meta: release without a schedule: %w", errTruncated)
	}
	c.plan.Store(c.compile(live, calendar{-1, -1}))
	c.recount()
	c.rekill()
	w.addCampaign(c)
	return nil
}

// tables calls fn for each table with the number of rows that the meta announces.
func (w *world) tables(m *metaCut, fn func(t *rowTable, rows uint64) error) error {
	for i, n := range *w.namespaces.Load() {
		for s, t := range n.tables {
			if t != nil {
				if err := fn(t, m.namespaces[i].rows[s]); err != nil {
					return err
				}
			}
		}
		if n.lists.table != nil {
			if err := fn(n.lists.table, m.namespaces[i].lists.rows); err != nil {
				return err
			}
		}
		if n.purseKeys != nil {
			if err := fn(n.purseKeys, m.namespaces[i].purses.rows); err != nil {
				return err
			}
		}
		for j, t := range n.fatigue.tables() {
			if err := fn(t, m.namespaces[i].fatigue.rows[j]); err != nil {
				return err
			}
		}
		if err := n.stockTables(m.namespaces[i].stock, fn); err != nil {
			return err
		}
	}
	for i, c := range *w.campaigns.Load() {
		for s, t := range append(c.tables[:scopes:scopes], c.keys) {
			if t != nil {
				if err := fn(t, m.campaigns[i].rows[s]); err != nil {
					return err
				}
			}
		}
		if c.attributes.table != nil {
			if err := fn(c.attributes.table, m.campaigns[i].attributes.rows); err != nil {
				return err
			}
		}
		if c.awards != nil {
			if err := fn(c.awards, m.campaigns[i].awards.rows); err != nil {
				return err
			}
		}
		if c.lists.table != nil {
			if err := fn(c.lists.table, m.campaigns[i].lists.rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// insertRow puts one row of another sharding into its place here.
func (w *world) insertRow(table uint32, keyBytes int, k pages.Key, payload []byte) error {
	part := w.shards[w.shardOf((*Key)(&k))].mu.arena.Table(table)
	if part == nil || part.KeyBytes() != keyBytes || part.Width() < len(payload) {
		return fmt.Errorf("engine: a row of table %#x has no place", table)
	}
	if _, found := part.Find(&k); found {
		return fmt.Errorf("engine: a row of table %#x comes twice", table)
	}
	copy(part.Mutable(part.Insert(&k)), payload)
	return nil
}

func (w *world) compareRows(m *metaCut) error {
	return w.tables(m, func(t *rowTable, rows uint64) error {
		if got := t.rows(); got != rows {
			return fmt.Errorf("engine: table %#x has %d rows, the meta says %d: pages are missing", t.id, got, rows)
		}
		return nil
	})
}

// formBytes returns what the forms of versions take.
func formBytes(all []*Version) (n int) {
	for _, v := range all {
		n += len(v.form)
	}
	return n
}
