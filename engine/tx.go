package engine

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/drawd/drawd/engine/internal/pages"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/mutant"
	"github.com/zeebo/xxh3"
)

// tx is one command on its way through the engine: its place in the log, its time, and what it appends. It is reused.
type tx struct {
	world   *world
	library bool      // Decide: position and time are taken while all locks are held
	stamp   UnixMilli // library: the caller's clock
	now     UnixMilli // log time of the command
	at      Location  // of the next record
	out     sink
	err     error // the replica cannot go on
	// approved is by which right the command in hand may do what needs approval.
	approved  right
	tripped   bool       // by the draw in hand: a guard acts behind it
	positions []Position // library: those that the batch took
	code      []byte     // codes that the sub-draw hands out; see takeCode

	// Of the draw in hand.
	plan     *plan
	set      *set // what the draw can win: of its session and channel
	rules    *rules
	own      moment // now in the campaign's zone
	shared   moment // now in the namespace's zone
	campaign [subjects]subject
	everyone [scopes]subject   // rows of the namespace
	locked   [subjects + 1]int // shards, ascending
	listed   standing          // what the lists say of the user
	mine     scopeSet          // whose rows are in campaign
	ours     scopeSet          // and in everyone
	locks    int
	spot     pages.Spot // where the key goes
	draw     Draw
	record   Record
	result   Result
	asked    Hit
	helping  Help
	owner    subject  // of the help in hand
	fatigued subject  // of the hit in hand
	pace     []uint32 // pacing: the weights of a step that the draw in hand begins
	cards    uint64   // a mode: what the word was scaled to
	pay      span     // what the prize looked at last could pay
	used     [MaxCaps]uint32
	words    wordHasher
	ahead    touches
	turn     pityTurn
	more     []byte // sections of the sub-draw's record, in the order of their tags
	chanceTurn
	pooled poolTurn
	store  *stocking // of a command on holds; nil before the first

	// Of Apply: a run of draws decided under all shards' locks.
	bulk    bool
	bulkEnd int       // the command before which the run ends at the latest
	bulkMax int       // number of records at which it ends
	holds   *Campaign // whose lock the run keeps; nil for none yet
}

// sink takes what commands append.
type sink struct {
	records []byte
	offsets []uint32 // of each record; Apply only
	wins    []Win    // Apply only
}

// Win says that the record with this ordinal is a win of the prize.
type Win struct {
	Campaign CampaignRef
	Prize    uint16 // the prize id's number in the campaign's life, the same in all versions
	Ordinal  uint16
}

// subject is whose counters a cap moves: a row that may not exist yet.
type subject struct {
	part *pages.Table
	key  *Key
	row  pages.Row
	data []byte // payload; nil when there is no row
}

func refuse(code problem.Code) Result { return Result{Code: code} }

// note appends the record of anything but a draw and puts its place into the result.
func (t *tx) note(rec Record, r Result) Result {
	start := len(t.out.records)
	r.At, r.Records = t.at, 1
	t.keep(&rec)
	r.Offset, r.Length = uint32(start), uint32(len(t.out.records)-start)
	return r
}

// keep appends the record of anything but a draw.
func (t *tx) keep(rec *Record) {
	rec.At = t.now
	t.out.offsets = append(t.out.offsets, uint32(len(t.out.records)))
	t.out.records = appendOther(t.out.records, rec)
	t.at.Ordinal++
}

// Outcome is what applying one entry gave. It is reused: Apply resets it.
type Outcome struct {
	Index   LogIndex
	Time    UnixMilli
	Results []Result // one per command of the entry, in order; Offset counts from the start of Records
	Head    [headBytes]byte
	Offsets []uint32 // first byte of each record in Records
	Records []byte   // encoded records, in order
	Wins    []Win    // every win, in order: for the win index

	scratch []byte
}

// Apply decides one entry. Entries are applied in log order by one goroutine; readers may run beside it. An error means
// that the replica cannot go on (unknown operation, damaged entry, wrong cluster key): the process must end.
func (e *Engine) Apply(index LogIndex, entry []byte, out *Outcome) error {
	w := e.world.Load()
	h, commands, err := ParseEntryHeader(entry)
	if err != nil {
		return fmt.Errorf("entry %d: %w", index, err)
	}
	t := &e.step
	t.world, t.library, t.err = w, false, nil
	w.clock.Lock()
	mutant.Proposed(h.Proposer)
	if mutant.On(mutant.ClockInApply) {
		h.Stamp = UnixMilli(mutant.Clock())
	}
	w.clock.now = max(w.clock.now, h.Stamp)
	w.clock.index = index
	t.now = w.clock.now
	w.clock.Unlock()
	t.at, t.bulkEnd = Location{Index: index}, 0
	t.out = sink{out.Records[:0], out.Offsets[:0], out.Wins[:0]}
	out.Results = out.Results[:0]
	if t.due() {
		w.lockAll()
		t.bringUp()
		w.unlockAll()
	}
	if t.err != nil {
		return fmt.Errorf("entry %d: %w", index, t.err)
	}
	if err := t.applyAll(commands, int(h.Count), out); err != nil {
		return fmt.Errorf("entry %d: %w", index, err)
	}
	out.Index, out.Time = index, t.now
	out.Records, out.Offsets, out.Wins = t.out.records, t.out.offsets, t.out.wins
	w.advance(index, t.now, entry, out)
	return nil
}

func (t *tx) applyAll(commands []byte, count int, out *Outcome) error {
	t.ahead.begin(commands, count, len(*t.world.campaigns.Load()) >= manyCampaigns)
	defer t.endBulk()
	defer t.ahead.forget()
	for n := range count {
		if n == t.bulkEnd || len(t.out.offsets) >= t.bulkMax {
			t.endBulk()
			t.beginBulk(n, count)
		}
		t.touchAhead(n)
		o, body, err := t.ahead.next(n)
		if err != nil {
			return err
		}
		if err := t.apply(o, body); err != nil {
			return fmt.Errorf("command %d: %w", n, err)
		}
		out.Results = append(out.Results, t.result)
	}
	if rest := len(t.ahead.rest); rest != 0 {
		return fmt.Errorf("%w: %d bytes after the last command", ErrDamagedEntry, rest)
	}
	return nil
}

// advance closes an entry: the running hash covers the entry, its results and its records (D8).
func (w *world) advance(index LogIndex, now UnixMilli, entry []byte, out *Outcome) {
	b := writer{out.scratch[:0]}
	b.raw(w.clock.running[:]) // only this goroutine writes it
	b.u64(uint64(index))
	b.i64(int64(now))
	for _, part := range [...][]byte{entry, out.Records} {
		h := xxh3.Hash128(part)
		b.u64(h.Hi)
		b.u64(h.Lo)
	}
	at, n := len(b.b), len(out.Results)*resultBytes
	b.b = slices.Grow(b.b, n)[:at+n]
	for i := range out.Results {
		out.Results[i].put((*[resultBytes]byte)(b.b[at+i*resultBytes:]))
	}
	running := xxh3.Hash128(b.b).Bytes()
	out.scratch = b.b
	w.clock.Lock()
	w.clock.running = running
	w.clock.Unlock()
	putHead(&out.Head, len(out.Offsets), index, now, running)
	w.logTime.Store(int64(now))
	w.applied.Store(uint64(index))
}

// resultBytes is the size of a result as it is hashed.
const resultBytes = 27

// put writes what of a result is hashed.
func (r *Result) put(b *[resultBytes]byte) {
	b[0], b[1] = uint8(r.Code), 0
	if r.Replayed {
		b[1] = 1
	}
	b[2], b[3], b[4] = r.Records, r.Cap, r.Allowed
	binary.LittleEndian.PutUint32(b[5:], r.Used)
	binary.LittleEndian.PutUint64(b[9:], uint64(r.At.Index))
	binary.LittleEndian.PutUint16(b[17:], r.At.Ordinal)
	binary.LittleEndian.PutUint64(b[19:], r.Value)
}

// apply decides one command into t.result. Draws take their own locks; everything else takes every shard.
func (t *tx) apply(o op, body []byte) (err error) {
	if o == opDraw {
		if err := parseDraw(body, &t.draw); err != nil {
			return err
		}
		t.decideDraw(&t.draw)
		if t.tripped {
			t.actBehind()
			return t.err
		}
		return nil
	}
	if err := t.world.engine.mayApply(o); err != nil {
		return err
	}
	switch o {
	case opGrant, opRevoke:
		return t.applyChances(o, body)
	case opHold, opTake, opConfirm, opRelease, opExtend:
		return t.applyStock(o, body)
	}
	if o == opHit {
		return t.applyHit(body)
	}
	if o == opHelp {
		return t.applyHelp(body)
	}
	t.endBulk()
	t.world.lockAll()
	defer t.world.unlockAll()
	if t.library {
		t.takePosition()
		// Only a command with a position makes keys go: log time has moved for good then. A draw that is refused leaves
		// it where it was, and the next caller's clock may be behind.
		t.bringUp()
	}
	if t.result, err = t.applyRare(o, &reader{b: body}); err != nil {
		return err
	}
	return t.err
}

// applyRare decides a command of the control plane. Every shard is locked.
func (t *tx) applyRare(o op, r *reader) (res Result, err error) {
	switch o {
	case opTick:
		err = r.done()
	case opRaise:
		c := r.raise()
		if err = r.done(); err == nil {
			return t.applyRaise(&c)
		}
	case opInit, opNamespace, opRestored:
		res, err = t.applySetup(o, r)
	case opPublish, opPublishFrom:
		res, err = t.applyNow(o, r)
	case opControl:
		c := r.control()
		if err = r.done(); err == nil {
			res = t.applyControl(&c)
		}
	case opAdjust:
		c := r.adjust()
		if err = r.done(); err == nil {
			res = t.applyAdjust(&c)
		}
	case opPolicy:
		body := r.b
		c := r.putPolicy()
		if err = r.done(); err == nil {
			res = t.applyPolicy(&c, body)
		}
	case opDocument:
		c := r.document()
		if err = r.done(); err == nil {
			res = t.applyDocument(&c)
		}
	case opKey:
		body := r.b
		c := r.putKey()
		if err = r.done(); err == nil {
			res = t.applyKey(&c, body)
		}
	case opEntrants, opRaffle, opRedraw:
		res, err = t.applyRaffles(o, r)
	case opList:
		c := r.list()
		if err = r.done(); err == nil {
			res = t.applyList(&c)
		}
	case opAbandon:
		c := r.abandon()
		if err = r.done(); err == nil {
			res = t.applyAbandon(&c)
		}
	case opPublishAt, opPublishAtFrom, opWithdraw:
		res, err = t.applyPending(o, r)
	case opSwitch, opApprove, opVoid, opAward, opImport:
		res, err = t.applyAct(o, r)
	case opPool, opPoolAdjust, opVoidHold, opVoidTake:
		res, err = t.applyPools(o, r)
	case opDefensive, opDefend:
		res, err = t.applyDefensive(o, r)
	case opMoveAward, opThaw:
		res, err = t.applyDelivery(o, r)
	default:
		return t.applyNext(o, r)
	}
	if err != nil {
		err = fmt.Errorf("%w: operation %d: %w", ErrDamagedEntry, o, err)
	}
	return res, err
}
