package engine

import (
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"
)

// The meta is everything of a state but its table rows. Like every form on disk it begins with a number that says how
// to read it, and ends with a checksum.
const (
	metaMagic = 0x44574d31 // "DWM1"
	metaForm  = 2
	sumBytes  = 16
)

// metaCut is what a capture takes along while entries go on being applied: values, and pointers to what never changes.
type metaCut struct {
	shards      int
	index       LogIndex
	now         UnixMilli
	running     [16]byte
	level       uint32
	initialized bool
	clusterID   [16]byte
	idKey       [16]byte
	namespaces  []namespaceCut
	revision    uint64
	documents   []document
	campaigns   []campaignCut
}

type namespaceCut struct {
	name        string
	secret      [16]byte
	policy      *NamespacePolicy
	layout      layout
	users, keys uint64
	rows        [scopes]uint64
	acts        acts
	pending     []pending
	holders     []holder
	since       since
	lists       listCut
	purses      *pursesCut  // nil for none
	fatigue     *fatigueCut // nil for none
	stock       *stockCut   // nil for no pools
}

type campaignCut struct {
	namespace  NamespaceRef
	id         string
	sealedSeed []byte
	control    *control
	versions   []*Version
	seq        uint64
	books      books
	reserves   reserves
	chances    *chancesCut // nil for none
	layout     layout
	money      *money
	mode       *modeState
	burn       *burn // nil for no guard
	raffles    []*Raffle
	remembers  bool // keys are still kept
	turned     UnixMilli
	releases   releases
	rows       [scopes + 1]uint64
	off        []switchedOff
	voids      []voided
	forced     []ForcedVersion
	shield     *shield // nil for none
	awards     *awardsCut
	codes      []codeBook
	attributes attributeCut
	lists      listCut
	moments    []keyMoment
}

// cut takes the meta. Every shard is locked.
func (w *world) cut() *metaCut {
	w.clock.Lock()
	m := &metaCut{
		shards: len(w.shards), index: w.clock.index, now: w.clock.now, running: w.clock.running, level: w.level.Load(),
		initialized: w.initialized.Load(), clusterID: w.clusterID, idKey: w.idKey,
	}
	w.clock.Unlock()
	for _, n := range *w.namespaces.Load() {
		x := namespaceCut{
			name: n.name, secret: n.secret, policy: n.rules.Load().policy, layout: n.layout.clone(),
			users: n.users.Load(), keys: n.keys.Load(), acts: n.acts.clone(), pending: n.pending, since: n.rules.Load().since, holders: n.holders, lists: n.lists.cut(), purses: n.cutPurses(), fatigue: n.cutFatigue(), stock: n.cutStock(),
		}
		for s, t := range n.tables {
			if t != nil {
				x.rows[s] = t.rows()
			}
		}
		m.namespaces = append(m.namespaces, x)
	}
	for _, c := range *w.campaigns.Load() {
		m.campaigns = append(m.campaigns, c.cut())
	}
	d := &w.documents
	d.mu.RLock()
	m.revision, m.documents = d.mu.revision, append([]document(nil), d.mu.sorted...)
	d.mu.RUnlock()
	return m
}

func (c *Campaign) cut() campaignCut {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := campaignCut{
		namespace: c.namespace.ref, id: c.id, sealedSeed: c.sealedSeed, control: c.control.Load(),
		versions: *c.versions.Load(), seq: c.mu.seq, books: append(books(nil), c.books...), layout: c.layout.clone(),
		reserves: append(reserves(nil), c.reserves...), money: c.money.clone(), mode: c.mode.clone(), raffles: c.Raffles(), remembers: c.keys != nil, turned: c.turned,
		releases:   c.releases.clone(),
		attributes: c.attributes.cut(), lists: c.lists.cut(), moments: c.moments,
	}
	x.off, x.voids, x.codes = slices.Clone(c.off), slices.Clone(c.voids), c.cutCodes()
	x.forced, x.burn, x.shield = c.Forced(), c.burn.clone(), c.shield.Load()
	x.awards = c.cutAwards()
	if c.chances != nil {
		x.chances = c.chances.cut("")
	}
	for s, t := range c.tables {
		if t != nil {
			x.rows[s] = t.rows()
		}
	}
	if c.keys != nil {
		x.rows[tableKeys] = c.keys.rows()
	}
	return x
}

// encode writes the meta. Without positions it leaves out what depends on where in the log things happened and on local
// tuning: that form goes into the state hash.
func (m *metaCut) encode(positions bool) []byte {
	var w writer
	w.u32(metaMagic)
	w.u32(metaForm)
	if positions {
		w.u32(uint32(m.shards))
		w.u64(uint64(m.index))
		w.raw(m.running[:])
	}
	w.i64(int64(m.now))
	w.u32(m.level)
	w.flag(m.initialized)
	w.raw(m.clusterID[:])
	w.raw(m.idKey[:])
	w.u32(uint32(len(m.namespaces)))
	for i := range m.namespaces {
		n := m.namespaces[i]
		if !positions {
			n.stock = n.stock.unplaced()
		}
		w.namespaceCut(&n)
	}
	w.u64(m.revision)
	w.u32(uint32(len(m.documents)))
	for i := range m.documents {
		d := &m.documents[i]
		w.u32(uint32(d.namespace))
		w.str(d.Name)
		w.u64(d.Revision)
		w.bytes(d.Body)
	}
	w.u32(uint32(len(m.campaigns)))
	for i := range m.campaigns {
		c := m.campaigns[i]
		if !positions {
			c.moments = nil
		}
		w.campaignCut(&c)
	}
	sum := xxh3.Hash128(w.b).Bytes()
	w.raw(sum[:])
	return w.b
}

func (w *writer) namespaceCut(n *namespaceCut) {
	w.str(n.name)
	w.raw(n.secret[:])
	w.policy(n.policy)
	w.layout(&n.layout)
	w.u64(n.users)
	w.u64(n.keys)
	for _, rows := range n.rows {
		w.u64(rows)
	}
	w.namespaceSections(n)
	w.endSections()
}

// namespaceSections appends the state of features that only some namespaces use.
func (w *writer) namespaceSections(n *namespaceCut) {
	if n.purses != nil {
		w.section(namespacePurses, func(w *writer) { w.pursesCut(n.purses, n.policy) })
	}
	w.section(namespaceLists, func(w *writer) { w.listCut(n.lists) })
	w.section(namespaceSwitches, func(w *writer) { w.acts(n) })
	w.section(namespacePending, func(w *writer) { w.pendings(n.pending) })
	w.section(namespacePeople, func(w *writer) { w.people(n) })
	if n.fatigue != nil {
		w.section(namespaceFatigue, func(w *writer) { w.fatigueCut(n.fatigue, n.policy) })
	}
	w.section(namespacePools, func(w *writer) { w.pools(n.stock) })
	w.section(namespaceHolds, func(w *writer) { w.holdTables(n.stock) })
	w.section(namespaceSince, func(w *writer) { w.since(n.since) })
	w.section(namespaceForfeits, func(w *writer) { w.forfeits(n.stock) })
}

func (n *namespaceCut) section(tag uint8, r *reader) bool {
	switch tag {
	case namespacePurses:
		n.purses = r.pursesCut(n.policy)
	case namespaceSwitches:
		r.acts(n)
	case namespacePeople:
		r.people(n)
	case namespaceSince:
		n.since = r.since(len(n.policy.AggregateCaps))
	case namespacePending:
		n.pending = r.pendings()
	case namespaceLists:
		n.lists = r.listCut()
	case namespaceFatigue:
		n.fatigue = r.fatigueCut(n.policy)
	case namespacePools:
		n.stock = new(stockCut)
		r.pools(n.stock)
	case namespaceHolds:
		if n.stock == nil {
			return false
		}
		r.holdTables(n.stock)
	case namespaceForfeits:
		if n.stock == nil {
			return false
		}
		r.forfeits(n.stock)
	default:
		return false
	}
	return true
}

func (w *writer) campaignCut(c *campaignCut) {
	w.u32(uint32(c.namespace))
	w.str(c.id)
	w.bytes(c.sealedSeed)
	w.flag(c.control.paused)
	w.i64(int64(c.control.pausedAt))
	w.i64(c.control.extended)
	w.i64(int64(c.control.endedAt))
	w.str(c.control.fenced)
	w.u32(uint32(len(c.versions)))
	for _, v := range c.versions {
		w.raw(v.Salt[:])
		w.bytes(formOf(v))
	}
	w.u64(c.seq)
	w.u32(uint32(len(c.books)))
	for i := range c.books {
		w.cell(&c.books[i])
	}
	w.layout(&c.layout)
	w.flag(c.remembers)
	for _, rows := range c.rows {
		w.u64(rows)
	}
	w.campaignSections(c)
	w.endSections()
}

// campaignSections appends the state of features that only some campaigns use.
func (w *writer) campaignSections(c *campaignCut) {
	if c.chances != nil {
		w.section(campaignChances, func(w *writer) { w.chancesCut(c.chances) })
	}
	w.section(campaignSessions, func(w *writer) { w.sessionState(c) })
	w.section(campaignRelease, func(w *writer) { w.releases(c.releases) })
	w.section(campaignPity, func(w *writer) { w.reserves(c.reserves) })
	w.section(campaignMode, func(w *writer) { w.modeState(c.mode) })
	w.section(campaignAmounts, func(w *writer) { w.money(c.money) })
	w.section(campaignAttributes, func(w *writer) { w.attributeRows(&c.attributes) })
	w.section(campaignLists, func(w *writer) { w.listCut(c.lists) })
	w.section(campaignCodes, func(w *writer) { w.codeBooks(c.codes) })
	w.section(campaignGuard, func(w *writer) { w.burn(c.burn) })
	w.section(campaignActs, func(w *writer) { w.campaignActs(c) })
	w.section(campaignSwitches, func(w *writer) {
		if len(c.off) > 0 {
			w.switches(c.off)
		}
	})
	w.section(campaignVoids, func(w *writer) { w.voids(c.voids) })
	w.section(campaignForced, func(w *writer) { w.forcedVersions(c.forced) })
	w.section(campaignWindows, func(w *writer) { w.releaseTurns(c.releases, c.turned) })
	w.section(campaignRaffles, func(w *writer) { w.raffles(c.raffles) })
	w.section(campaignPlaces, func(w *writer) { w.places(c.raffles) })
	w.section(campaignMoments, func(w *writer) { w.keyMoments(c.moments) })
}

func (c *campaignCut) section(tag uint8, r *reader) bool {
	switch tag {
	case campaignChances:
		c.chances = r.chancesCut()
	case campaignSessions:
		return r.sessionState(c)
	case campaignRelease:
		c.releases = r.releases(c.books)
		for i := range c.releases {
			c.releases[i].turned = c.turned
		}
	case campaignWindows:
		return r.releaseTurns(c.releases, c.turned)
	case campaignPity:
		c.reserves = r.reserves()
	case campaignRaffles:
		c.raffles = r.raffles()
	case campaignPlaces:
		r.readPlaces(c.raffles)
	case campaignMoments:
		c.moments = r.keyMoments()
	case campaignMode:
		c.mode = r.modeState()
	case campaignAmounts:
		c.money = r.money()
	case campaignSwitches:
		c.off = r.switches(true)
	case campaignCodes:
		c.codes = r.codeBooks()
	case campaignGuard:
		c.burn = r.burn()
	case campaignActs:
		r.sections(false, c.acts)
	case campaignForced:
		c.forced = r.forcedVersions()
	case campaignVoids:
		c.voids = r.voids()
	case campaignAttributes:
		c.attributes = r.attributeRows()
	case campaignLists:
		c.lists = r.listCut()
	default:
		return false
	}
	return true
}

// decodeMeta reads what encode(true) wrote.
func decodeMeta(b []byte) (*metaCut, error) {
	if len(b) < sumBytes {
		return nil, fmt.Errorf("engine: meta: %w", errTruncated)
	}
	body := b[:len(b)-sumBytes]
	if sum := xxh3.Hash128(body).Bytes(); string(sum[:]) != string(b[len(body):]) {
		return nil, fmt.Errorf("engine: meta: wrong checksum")
	}
	r := reader{b: body}
	if r.u32() != metaMagic {
		return nil, fmt.Errorf("engine: meta: %w", errTruncated)
	}
	if form := r.u32(); form != metaForm {
		return nil, fmt.Errorf("engine: meta of form %d: this drawd reads %d; a newer one wrote it", form, metaForm)
	}
	m := &metaCut{shards: int(r.u32()), index: LogIndex(r.u64()), running: r.key(), now: UnixMilli(r.i64()), level: r.u32(), initialized: r.flag(), clusterID: r.key(), idKey: r.key()}
	for range r.count(MaxNamespaces) {
		m.namespaces = append(m.namespaces, r.namespaceCut())
	}
	m.revision = r.u64()
	for range r.count(MaxDocuments) {
		m.documents = append(m.documents, document{NamespaceRef(r.u32()), Document{r.str(MaxDocumentNameBytes), r.u64(), clone(r.bytes(MaxDocumentBytes))}})
		if r.fail {
			break
		}
	}
	for range r.count(MaxCampaigns) {
		m.campaigns = append(m.campaigns, r.campaignCut())
		if r.fail {
			break
		}
	}
	if err := r.done(); err != nil {
		return nil, fmt.Errorf("engine: meta: %w", err)
	}
	return m, nil
}

func (r *reader) namespaceCut() namespaceCut {
	n := namespaceCut{name: r.str(MaxNamespaceBytes), secret: r.key(), policy: r.policy(), layout: r.layout(), users: r.u64(), keys: r.u64()}
	for s := range n.rows {
		n.rows[s] = r.u64()
	}
	r.sections(true, n.section)
	return n
}

func (r *reader) campaignCut() campaignCut {
	c := campaignCut{namespace: NamespaceRef(r.u32()), id: r.str(MaxIDBytes), sealedSeed: clone(r.bytes(sealedSeedBytes))}
	c.control = &control{paused: r.flag(), pausedAt: UnixMilli(r.i64()), extended: r.i64(), endedAt: UnixMilli(r.i64()), fenced: r.str(MaxReasonBytes)}
	for range r.count(MaxVersions) {
		salt := r.key()
		form := clone(r.bytes(MaxVersionBytes))
		f := reader{b: form}
		v := f.form()
		if f.done() != nil || v.Validate() != nil {
			r.fail = true
			return c
		}
		v.Salt, v.Number, v.form = salt, uint32(len(c.versions)+1), form
		v.Hash = versionHash(v, form)
		c.versions = append(c.versions, v)
	}
	c.seq = r.u64()
	for range r.count(MaxPrizesEver) {
		c.books = append(c.books, r.cell())
	}
	c.layout = r.layout()
	c.remembers = r.flag()
	for s := range c.rows {
		c.rows[s] = r.u64()
	}
	r.sections(true, c.section)
	return c
}
