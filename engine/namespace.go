package engine

import (
	"strings"
	"sync/atomic"

	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
)

// Namespace is a tenant. Its methods take no locks unless they say so.
type Namespace struct {
	world  *world
	ref    NamespaceRef
	name   string
	secret [16]byte
	keyer  Keyer

	rules     atomic.Pointer[rules]
	campaigns atomic.Pointer[map[string]*Campaign] // by id; replaced, never changed

	layout layout // of the aggregate caps; every shard is locked when it changes
	tables [scopes]*rowTable
	lists  lists // every shard is locked when it changes

	pending []pending                 // by time; every shard is locked when it changes
	told    atomic.Pointer[[]Pending] // the same, for readers

	acts    acts     // every shard is locked when they change
	holders []holder // of keys, by document; replaced while every shard is locked

	purses    []*purse  // every shard is locked when it changes
	purseKeys *rowTable // of grants straight into purses and through campaigns; nil without purses

	stock   stockroom // pools and holds
	fatigue fatigue   // every shard is locked when it changes

	_           [128]byte     // what stands before is read by every draw, these are written by it
	users, keys atomic.Uint64 // rows in all campaigns, and keys of purses; see countRows
	_           [128]byte
}

// rules is a namespace's policy, compiled.
type rules struct {
	policy   *NamespacePolicy
	zone     zone
	draws    []counter // aggregate caps counting draws, in order
	wins     []counter
	amounts  []counter
	rows     scopeSet // whose rows they need
	places   []uint8  // of each aggregate cap, its number in the namespace's layout
	since    since    // of each aggregate cap; shorter where the last ones have counted every draw
	maxUsers uint64
	maxKeys  uint64

	hits       []hitRule        // fatigue caps, by number
	hitNumbers map[string]uint8 // by id
}

func (w *world) addNamespace(c *NewNamespace) *Namespace {
	n := &Namespace{world: w, name: c.Name, secret: c.Secret, keyer: newKeyer(c.Secret)}
	all := *w.namespaces.Load()
	n.ref = NamespaceRef(len(all) + 1)
	n.campaigns.Store(&map[string]*Campaign{})
	n.stock.byID.Store(&poolIndex{})
	n.stock.days.Store(new([]*stockDay))
	n.rules.Store(n.compile(&NamespacePolicy{}))
	all = append(all[:len(all):len(all)], n)
	w.namespaces.Store(&all)
	return n
}

// compile resolves a policy's caps to their places. They must have been claimed.
func (n *Namespace) compile(p *NamespacePolicy) *rules {
	r := &rules{policy: p, zone: zone{p.Transitions}, maxUsers: p.MaxUsers, maxKeys: p.MaxKeys}
	if r.maxUsers == 0 {
		r.maxUsers = DefaultMaxUsers
	}
	if r.maxKeys == 0 {
		r.maxKeys = DefaultMaxKeys
	}
	for i := range p.AggregateCaps {
		a := &p.AggregateCaps[i]
		c := newCounter(n.layout.find(a.ID), i, a.Limit)
		c.aggregate = true
		r.places = append(r.places, n.layout.number(a.ID))
		r.rows |= setOf(a.Scope)
		switch a.Counts {
		case CountDraws:
			r.draws = append(r.draws, c)
		case CountWins:
			r.wins = append(r.wins, c)
		case CountAmount:
			r.amounts = append(r.amounts, c)
		}
	}
	r.hits, r.hitNumbers = n.compileHits(p.FatigueCaps)
	return r
}

// applySetup decides the first command of a cluster, or the creation of a namespace.
func (t *tx) applySetup(o op, r *reader) (res Result, err error) {
	switch o {
	case opInit:
		c := r.init()
		if err = r.done(); err == nil {
			res = t.applyInit(&c)
		}
	case opRestored:
		c := r.restored()
		if err = r.done(); err == nil {
			res = t.applyRestored(&c)
		}
	default:
		c := r.newNamespace()
		if err = r.done(); err == nil {
			res = t.applyNamespace(&c)
		}
	}
	return res, err
}

// applyNamespace creates a namespace, or finds the one of that name.
func (t *tx) applyNamespace(c *NewNamespace) Result {
	w := t.world
	for _, n := range *w.namespaces.Load() {
		if n.name == c.Name {
			return Result{Value: uint64(n.ref), AlreadyLive: true}
		}
	}
	if !names.ID(c.Name) {
		return refuse(problem.InvalidField)
	}
	if len(*w.namespaces.Load()) >= MaxNamespaces {
		return refuse(problem.Capacity)
	}
	return Result{Value: uint64(w.addNamespace(c).ref)}
}

func (t *tx) applyInit(c *Init) Result {
	w := t.world
	if w.initialized.Load() {
		return refuse(problem.Conflict)
	}
	w.clusterID, w.idKey = c.ClusterID, c.IDKey
	w.engine.ids.Store(newIDs(c.IDKey))
	w.addNamespace(&c.Namespace)
	w.initialized.Store(true)
	return Result{}
}

// applyPolicy replaces a namespace's policy.
func (t *tx) applyPolicy(c *PutPolicy, body []byte) Result {
	w := t.world
	n := w.namespace(c.Namespace)
	if n == nil {
		return refuse(problem.NamespaceNotFound)
	}
	old := n.rules.Load().policy
	if c.Expect != AnyRevision && c.Expect != old.Revision {
		return Result{Code: problem.VersionConflict, Value: old.Revision}
	}
	if n.checkPolicy(c.Policy) != nil {
		return refuse(problem.InvalidField)
	}
	if c.Policy.Approvals > old.Approvals && lasting(n.holders) <= int(c.Policy.Approvals) {
		return Result{Code: problem.Conflict, Value: uint64(lasting(n.holders))}
	}
	if fewerEyes(old, c.Policy) && t.approved != byPeople {
		return t.ask(n, opPolicy, body, fewerEyesSubject, c.Actor, "", false, Result{})
	}
	policy := *c.Policy
	policy.Revision = old.Revision + 1
	for i := range policy.AggregateCaps {
		a := &policy.AggregateCaps[i]
		n.layout.claim(a.ID, a.Counts, a.Scope, a.Window, "", a.Limit)
	}
	for i := range policy.Purses {
		n.layout.reserve(pursePlace(policy.Purses[i].ID), ScopeUser, lotsBytes(policy.Purses[i].Lots))
		claimSources(&n.layout, policy.Purses[i].ID, policy.Purses[i].Sources)
	}
	n.fitTables(w)
	n.openPurses(policy.Purses)
	due := n.openFatigue(policy.FatigueCaps, t.now)
	rules := n.compile(&policy)
	rules.since = n.rules.Load().next(&policy, t.now, n.users.Load() > 0)
	n.rules.Store(rules)
	n.acts.drop(fewerEyesSubject) // it was asked for another policy
	if due {
		w.settle(t.now)
	}
	return t.note(Record{Kind: RecordPolicy, Namespace: n.ref, Name: []byte(n.name), Actor: []byte(c.Actor), Delta: int64(policy.Revision)},
		Result{Value: policy.Revision})
}

// CheckPolicy reports why the engine would refuse p: what PutPolicy answers with invalid_field, in words.
// It takes a lock.
func (n *Namespace) CheckPolicy(p *NamespacePolicy) error {
	mu := &n.world.shards[0].mu // whoever changes a layout holds every shard
	mu.Lock()
	defer mu.Unlock()
	return n.checkPolicy(p)
}

func (n *Namespace) checkPolicy(p *NamespacePolicy) error {
	if err := p.Validate(); err != nil {
		return err
	}
	grown := n.layout.clone()
	for i := range p.AggregateCaps {
		a := &p.AggregateCaps[i]
		if err := grown.admit(a.ID, a.Counts, a.Scope, a.Window, ""); err != nil {
			return err
		}
		grown.claim(a.ID, a.Counts, a.Scope, a.Window, "", a.Limit)
	}
	if err := n.placePurses(&grown, p.Purses); err != nil {
		return err
	}
	if err := grown.fits(); err != nil {
		return err
	}
	hits := n.fatigue.layout.clone()
	return n.fatigue.place(&hits, p.FatigueCaps)
}

// countRows counts rows that the command in hand is about to add; false when that would pass a bound. The counters are shared by
// the campaigns of the namespace: as a library their goroutines have no lock in common here, so the bound is held by the
// counting itself.
func (n *Namespace) countRows(r *rules, users, keys uint64) bool {
	if !countWithin(&n.keys, keys, r.maxKeys) {
		return false
	}
	if !countWithin(&n.users, users, r.maxUsers) {
		n.keys.Add(-keys)
		return false
	}
	return true
}

func countWithin(counter *atomic.Uint64, more, most uint64) bool {
	for more > 0 {
		n := counter.Load()
		if n+more > most {
			return false
		}
		if counter.CompareAndSwap(n, n+more) {
			break
		}
	}
	return true
}

// fitTables makes the tables that the layout needs, and widens those that are too narrow.
func (n *Namespace) fitTables(w *world) {
	for s := range n.tables {
		width := n.layout.width[s]
		switch {
		case width == 0:
		case n.tables[s] == nil:
			n.tables[s] = w.newRowTable(ofNamespace|uint32(n.ref)<<3|uint32(s), subjectKeyBytes, width)
		default:
			w.widen(n.tables[s], width)
		}
	}
}

// Namespace returns the namespace of a name; "default" exists once the engine is initialized.
func (e *Engine) Namespace(name string) (*Namespace, bool) {
	for _, n := range *e.world.Load().namespaces.Load() {
		if n.name == name {
			return n, true
		}
	}
	return nil, false
}

// Namespaces returns all namespaces, oldest first.
func (e *Engine) Namespaces() []*Namespace { return *e.world.Load().namespaces.Load() }

// Ref returns n's number.
func (n *Namespace) Ref() NamespaceRef { return n.ref }

// Name returns n's name.
func (n *Namespace) Name() string { return n.name }

// Keyer returns what derives keys in n.
func (n *Namespace) Keyer() Keyer { return n.keyer }

// Policy returns the policy in force. It must not be modified.
func (n *Namespace) Policy() *NamespacePolicy { return n.rules.Load().policy }

// Users returns the number of user rows of all campaigns in n; MaxUsers bounds it.
func (n *Namespace) Users() uint64 { return n.users.Load() }

// Keys returns the number of remembered idempotency keys in n; MaxKeys bounds it.
func (n *Namespace) Keys() uint64 { return n.keys.Load() }

// Campaign returns the campaign with the id. It allocates nothing.
func (n *Namespace) Campaign(id []byte) (*Campaign, bool) {
	c, ok := (*n.campaigns.Load())[string(id)]
	return c, ok
}

// Campaigns returns all campaigns of n, by id.
func (n *Namespace) Campaigns() []*Campaign {
	byID := *n.campaigns.Load()
	all := make([]*Campaign, 0, len(byID))
	for _, c := range byID { // order: sorted below
		all = append(all, c)
	}
	sortBy(all, func(a, b *Campaign) bool { return strings.Compare(a.id, b.id) < 0 })
	return all
}
