package engine

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"

	"github.com/drawd/drawd/engine/problem"
)

// publication is a publish that was checked and not yet carried out.
type publication struct {
	campaign   *Campaign     // nil for a new one
	layout     layout        // grown by the version's caps
	books      books         // grown and changed by the version's prizes
	reserves   reserves      // grown and changed by the version's pities
	releases   releases      // begun for the version's schedules
	shared     *layout       // the namespace's, grown by shared pities; nil for none
	attributes attributeRows // the layout of the caps that count by an attribute
	sources    *register     // grown by the version's sources; nil where chances are not granted
}

// applyPublish makes a version live, with everything it shows and decides, from this position of the log on.
func (t *tx) applyPublish(c *Publish, form []byte) Result {
	r := t.makeLive(c, form)
	if r.Code != problem.OK || r.AlreadyLive {
		return r
	}
	t.world.settle(t.now)
	return t.note(Record{
		Kind: RecordPublish, Campaign: r.Campaign, Version: c.Version.Number, Actor: []byte(c.Actor), Reason: []byte(c.Reason),
	}, r)
}

// makeLive puts a version in force, unless it is there already or cannot be.
func (t *tx) makeLive(c *Publish, form []byte) Result {
	w := t.world
	n := w.namespace(c.Namespace)
	if n == nil {
		return refuse(problem.NamespaceNotFound)
	}
	live := (*n.campaigns.Load())[c.Version.Campaign]
	if live != nil {
		live.mu.Lock() // for readers of the books
		defer live.mu.Unlock()
		if v := live.Version(); bytes.Equal(formOf(v), form) {
			return Result{Campaign: live.ref, Value: uint64(v.Number), AlreadyLive: true}
		}
	}
	next, code, _ := n.admit(c.Version, t.now)
	r := refuse(code)
	if number := n.liveNumber(c.Version.Campaign); code == problem.OK && !c.expects(number) {
		r = Result{Code: problem.VersionConflict, Value: number}
	}
	if r.Code != problem.OK {
		if live != nil {
			r.Campaign = live.ref
		}
		return r
	}
	a := next.campaign
	if a == nil {
		seed, err := w.engine.openSeed(c.SealedSeed)
		if err != nil {
			t.err = err // the wrong key, so a wrong node: other replicas can open it
			return refuse(problem.InvalidCampaign)
		}
		a = w.newCampaign(n, c.Version.Campaign, c.SealedSeed, seed)
	}
	a.install(c.Version, form, next)
	if next.campaign == nil {
		w.addCampaign(a)
		a.rekill()
	}
	t.published(a, c)
	return Result{Campaign: a.ref, Value: uint64(c.Version.Number)}
}

// install puts a checked version in force. Every shard and mu are locked.
func (c *Campaign) install(v *Version, form []byte, next publication) {
	c.layout, c.reserves, c.releases = next.layout, next.reserves, next.releases
	c.keep(next.books)
	if next.shared != nil {
		c.namespace.layout = *next.shared
		c.namespace.fitTables(c.world)
	}
	c.attributes = next.attributes
	c.openChances(next.sources)
	versions := *c.versions.Load()
	v.Number = uint32(len(versions) + 1)
	v.Hash, v.form = versionHash(v, form), clone(form)
	c.world.forms += len(form)
	versions = append(versions[:len(versions):len(versions)], v)
	c.openMoney(v)
	c.openCodes(v)
	c.openMode(v)
	c.openGuard(v)
	c.openAwards(v)
	c.fitTables(v.ExpectedUsers)
	c.versions.Store(&versions)
	c.compileReleases(v)
	c.plan.Store(c.compile(v, calendar{-1, -1})) // settle finds the session in force
	c.recount()
}

func formOf(v *Version) []byte {
	if v.form != nil {
		return v.form
	}
	var w writer
	w.appendForm(v)
	return w.b
}

// newCampaign returns a campaign without a version. It is not to be found before addCampaign.
func (w *world) newCampaign(n *Namespace, id string, sealed []byte, seed [16]byte) *Campaign {
	c := &Campaign{
		world: w, namespace: n, ref: CampaignRef(len(*w.campaigns.Load()) + 1), id: id,
		sealedSeed: sealed, seed: seed, seedHash: hashSeed(id, seed),
	}
	c.versions.Store(new([]*Version))
	c.raffles.Store(new([]*Raffle))
	c.control.Store(new(control))
	c.keys = w.newRowTable(uint32(c.ref)<<3|tableKeys, digestKeyBytes, keyRowBytes)
	return c
}

func (w *world) addCampaign(c *Campaign) {
	all := *w.campaigns.Load()
	all = append(all[:len(all):len(all)], c)
	w.campaigns.Store(&all)
	byID := make(map[string]*Campaign, len(*c.namespace.campaigns.Load())+1)
	for id, other := range *c.namespace.campaigns.Load() { // order: a copy of a map
		byID[id] = other
	}
	byID[c.id] = c
	c.namespace.campaigns.Store(&byID)
}

// fitTables makes the tables that the layout needs, widens those that are too narrow, and makes room for the expected
// number of users, so that the crowd does not pay for growth.
func (c *Campaign) fitTables(expected uint64) {
	for s := range c.tables {
		width := c.layout.width[s]
		switch {
		case width == 0:
		case c.tables[s] == nil:
			c.tables[s] = c.world.newRowTable(uint32(c.ref)<<3|uint32(s), subjectKeyBytes, width)
		default:
			c.world.widen(c.tables[s], width)
		}
	}
	c.attributes.fit(c)
	if p := c.layout.find(placeHelps); p != nil {
		c.tables[ScopeUser].located = [2]int{p.at(), p.at() + locationBytes}
	}
	if expected == 0 {
		return
	}
	expected = min(expected, c.namespace.rules.Load().maxUsers)
	per := int(expected)/len(c.world.shards) + 1
	for i := range c.world.shards {
		c.tables[ScopeUser].parts[i].Reserve(per)
		if c.keys != nil {
			c.keys.parts[i].Reserve(per)
		}
	}
}

// CheckPublish reports why the engine would refuse to publish v now, in words: invalid_campaign, stock_changed, ended
// or capacity. It takes locks.
func (n *Namespace) CheckPublish(v *Version, now UnixMilli) (problem.Code, error) {
	mu := &n.world.shards[0].mu // whoever publishes holds every shard
	mu.Lock()
	defer mu.Unlock()
	if live := (*n.campaigns.Load())[v.Campaign]; live != nil {
		live.mu.Lock()
		defer live.mu.Unlock()
		if bytes.Equal(formOf(live.Version()), formOf(v)) {
			return problem.OK, nil
		}
	}
	_, code, err := n.admit(v, now)
	return code, err
}

// admit checks a version against what is live, and prepares what it changes. It writes nothing.
func (n *Namespace) admit(v *Version, now UnixMilli) (next publication, code problem.Code, err error) {
	if err := v.Validate(); err != nil {
		return next, problem.InvalidCampaign, err
	}
	if n.world.forms+len(formOf(v)) > MaxFormsBytes {
		return next, problem.Capacity, fmt.Errorf("at most %d bytes of versions in the cluster", MaxFormsBytes)
	}
	if err := n.checkPools(v); err != nil {
		return next, problem.InvalidCampaign, err
	}
	next.campaign = (*n.campaigns.Load())[v.Campaign]
	next.layout.width[ScopeUser] = rowCounters
	if c := next.campaign; c == nil {
		if len(*n.world.campaigns.Load()) >= MaxCampaigns {
			return next, problem.Capacity, fmt.Errorf("at most %d campaigns", MaxCampaigns)
		}
	} else {
		if k := c.control.Load(); now >= c.endsAt(k) && !k.paused {
			return next, problem.Ended, errors.New("the campaign has ended: publish under a new id")
		}
		if len(*c.versions.Load()) >= MaxVersions {
			return next, problem.Capacity, fmt.Errorf("at most %d versions of one campaign", MaxVersions)
		}
		next.layout, next.attributes = c.layout.clone(), c.attributes.clone()
		next.books = append(books(nil), c.books...)
		next.reserves = append(reserves(nil), c.reserves...)
		next.releases = c.releases.clone()
	}
	if err := next.placeCaps(v); err != nil {
		return next, problem.InvalidCampaign, err
	}
	if err := next.placeChances(n, v); err != nil {
		return next, problem.InvalidCampaign, err
	}
	if err := next.placePity(n, v, now); err != nil {
		return next, problem.InvalidCampaign, err
	}
	if code, err = next.openBooks(v, now); err == nil {
		if err = next.checkAmounts(v); err == nil {
			err = next.placeCodes(v)
		}
		if err != nil {
			code = problem.InvalidCampaign
		}
	}
	return next, code, err
}

func (x *publication) placeCaps(v *Version) error {
	for i := range v.Caps {
		c, prize := &v.Caps[i], ""
		if c.Prize >= 0 {
			prize = v.Prizes[c.Prize].ID
		}
		if c.Scope == ScopeAttribute {
			if err := x.placeAttribute(v, c, prize); err != nil {
				return err
			}
			continue
		}
		if x.attributes.counts(c.ID) != "" {
			return errOtherScope(c.ID)
		}
		if err := x.layout.admit(c.ID, c.Counts, c.Scope, c.Window, prize); err != nil {
			return err
		}
		x.layout.claim(c.ID, c.Counts, c.Scope, c.Window, prize, c.Limit)
	}
	if v.takesHelps() {
		x.layout.reserve(placeHelps, ScopeUser, helpsBytes)
	}
	x.placeBudget(v)
	x.placeAwards(v)
	if err := x.attributes.layout.fits(); err != nil {
		return err
	}
	return x.layout.fits()
}

// openBooks opens a cell for each new prize, compares the stock of known ones, and withdraws dropped ones. A session's own
// units are cells too.
func (x *publication) openBooks(v *Version, now UnixMilli) (problem.Code, error) {
	known := x.books.index()
	for i := range x.books {
		x.books[i].Live = false
	}
	for i, own := range v.ownStock() {
		if !own {
			continue
		}
		stock := v.Prizes[i].Stock
		if _, found := known[v.Prizes[i].ID]; !found && stock == StockUnstated && v.unique(i) {
			stock = 0 // its stock is its codes
		}
		if code, err := x.openCell(known, v.Prizes[i].ID, stock, false); code != problem.OK {
			return code, err
		}
	}
	for i := range v.Sessions {
		s := &v.Sessions[i]
		for _, p := range v.Sets[s.Set] {
			if p.Stock == StockShared {
				continue
			}
			// What was over before it was published never had anything to give.
			if code, err := x.openCell(known, sessionCell(s.ID, v.Prizes[p.Prize].ID), p.Stock, s.EndsAt <= now); code != problem.OK {
				return code, err
			}
		}
	}
	if len(x.books) > MaxPrizesEver {
		return problem.InvalidCampaign, fmt.Errorf("more than %d prize ids over the campaign's life", MaxPrizesEver)
	}
	if err := x.openReserves(v); err != nil {
		return problem.InvalidCampaign, err
	}
	if err := x.openReleases(v, known, now); err != nil {
		return problem.InvalidCampaign, err
	}
	for i := range x.books {
		if c := &x.books[i]; !c.Live {
			c.withdraw()
		}
	}
	return problem.OK, nil
}

func (x *publication) openCell(known map[string]int, id string, stock Quantity, over bool) (problem.Code, error) {
	at, found := known[id]
	if !found {
		if stock == StockUnstated {
			return problem.InvalidCampaign, fmt.Errorf("prize %q is new: state its stock, or that it is unlimited", id)
		}
		c := cell{ID: id, Live: true, Unlimited: true}
		if stock >= 0 {
			c = cell{ID: id, Live: true, Total: stock, Available: stock}
		}
		if over {
			c.expire()
		}
		x.books = append(x.books, c)
		return problem.OK, nil
	}
	c := &x.books[at]
	c.Live = true
	opening := c.Total - c.Carried // what other sessions left is not in the file
	unchanged := stock == StockUnstated || c.Unlimited && stock == Unlimited || !c.Unlimited && stock == opening
	if !unchanged {
		return problem.StockChanged, fmt.Errorf("prize %q has a total of %d: leave stock out or state that, and change it with :adjust", id, opening)
	}
	return problem.OK, nil
}

// A sealed seed: nonce 12 B ‖ AES-256-GCM of 16 B under the cluster key ‖ tag 16 B.
const (
	nonceBytes      = 12
	sealedSeedBytes = nonceBytes + 16 + 16
)

// ErrClusterKey is in the chain of an error about a seed that does not open: the node has another cluster's key.
var ErrClusterKey = errors.New("engine: a campaign's seed does not open under this cluster key: restore the key that the data was written with")

var seedContext = []byte("drawd campaign seed 1")

func newSealer(key [32]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("BUG: " + err.Error()) // a 32-byte key is always accepted
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return aead
}

// SealSeed seals a campaign's seed under the cluster key: the log and snapshots never hold a seed in the clear. Nonce
// and seed come from crypto/rand.
func SealSeed(clusterKey [32]byte, nonce [12]byte, seed [16]byte) []byte {
	return newSealer(clusterKey).Seal(nonce[:], nonce[:], seed[:], seedContext)
}

func (e *Engine) openSeed(sealed []byte) (seed [16]byte, err error) {
	if len(sealed) != sealedSeedBytes {
		return seed, invalid("sealed seed")
	}
	plain, err := e.sealer.Open(nil, sealed[:nonceBytes], sealed[nonceBytes:], seedContext)
	if err != nil {
		return seed, fmt.Errorf("%w: %w", ErrClusterKey, err)
	}
	return [16]byte(plain), nil
}
