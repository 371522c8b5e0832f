package raftlog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/raftlog/peer"
	"github.com/drawd/drawd/storage"
)

// rig is one data directory and the node on it, with the real engine and the real store.
type rig struct {
	t       testing.TB
	options Options
	store   storage.Options
	shards  int
	level   uint32 // of the build, 0 for this one's

	// wrap puts something between the node and what it stands on.
	wrapMachine func(machine) machine
	wrapLog     func(logDisk) logDisk
	wrapState   func(stateDisk) stateDisk

	opened *storage.Store
	engine *engine.Engine
	node   *Node
	mux    *peer.Mux // of a cluster's node
	exits  exits
	logged syncBuffer
}

// exits records what would have ended the process.
type exits struct {
	sync.Mutex
	codes []int
	whys  []string
	ch    chan struct{}
}

func (x *exits) exit(code int, why string) {
	x.Lock()
	defer x.Unlock()
	x.codes, x.whys = append(x.codes, code), append(x.whys, why)
	select {
	case x.ch <- struct{}{}:
	default:
	}
}

func (x *exits) all() []string {
	x.Lock()
	defer x.Unlock()
	return append([]string(nil), x.whys...)
}

// syncBuffer is what the node logged.
type syncBuffer struct {
	sync.Mutex
	b bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.Lock()
	defer b.Unlock()
	return b.b.String()
}

func newRig(t testing.TB, fs *storage.CrashFS) *rig {
	r := &rig{t: t, exits: exits{ch: make(chan struct{}, 1)}}
	r.store = storage.Options{Dir: "data", LogMemtable: 4 << 20, StateMemtable: 4 << 20, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if fs != nil {
		r.store.FS = fs
	} else {
		r.store.Dir = t.TempDir()
	}
	r.options = Options{Exit: r.exits.exit, Logger: slog.New(slog.NewTextHandler(&r.logged, &slog.HandlerOptions{Level: slog.LevelInfo}))}
	return r
}

// start opens the store, an empty engine and the node.
func (r *rig) start() error {
	var err error
	if r.opened, err = storage.Open(r.store); err != nil {
		return err
	}
	if r.engine, err = engine.New(engine.Options{Shards: r.shards, Level: r.level}); err != nil {
		return err
	}
	r.t.Cleanup(r.stop)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	o := r.options
	o.Store, o.Engine, o.Peers = r.opened, r.engine, r.mux
	if r.wrapMachine == nil && r.wrapLog == nil && r.wrapState == nil {
		r.node, err = Open(ctx, o)
		return err
	}
	var m machine = engineMachine{r.engine}
	var log logDisk = r.opened.Log()
	var state stateDisk = r.opened.State()
	if r.wrapMachine != nil {
		m = r.wrapMachine(m)
	}
	if r.wrapLog != nil {
		log = r.wrapLog(log)
	}
	if r.wrapState != nil {
		state = r.wrapState(state)
	}
	r.node, err = open(ctx, o.withDefaults(), m, log, state)
	return err
}

func (r *rig) mustStart() {
	r.t.Helper()
	if err := r.start(); err != nil {
		r.t.Fatal(err)
	}
}

// stop closes the node and the store.
func (r *rig) stop() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if r.node != nil {
		if err := r.node.Close(ctx); err != nil {
			r.t.Error(err)
		}
	}
	if r.mux != nil {
		if err := r.mux.Close(); err != nil {
			r.t.Error(err)
		}
	}
	if r.opened != nil {
		if err := r.opened.Close(); err != nil {
			r.t.Error(err)
		}
	}
	r.node, r.opened, r.mux = nil, nil, nil
}

// testVersion is a campaign that is running, with one prize of plenty and a cap.
func testVersion(now time.Time, stock engine.Quantity) *engine.Version {
	at := engine.UnixMilli(now.UnixMilli())
	return &engine.Version{
		Campaign: "c", TimeZone: "UTC", StartsAt: at - 3600_000, EndsAt: at + 30*24*3600_000, Denominator: 1_000_000,
		Caps:   []engine.Cap{{ID: "day", Window: engine.Window{Kind: engine.WindowDay}, Limit: 1_000_000, Prize: -1}},
		Prizes: []engine.Prize{{ID: "p", Weight: 500_000, Stock: stock, Units: 1, Fallback: -1, Slot: -1}},
	}
}

// publish makes the campaign live.
func (r *rig) publish(v *engine.Version) {
	r.t.Helper()
	var b engine.Batch
	b.AddPublish(&engine.Publish{Namespace: 1, Version: v, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{1})})
	if err := r.node.Decide(&b); err != nil || b.Results[0].Code != problem.OK {
		r.t.Fatal(err, b.Results)
	}
}

// addDraw encodes one draw of a user under a key.
func (r *rig) addDraw(b *engine.Batch, user, key string) {
	ns, ok := r.engine.Namespace("default")
	if !ok {
		r.t.Error("no namespace")
		return
	}
	keyer := ns.Keyer()
	d := engine.Draw{Campaign: 1, Times: 1, UserID: []byte(user), User: keyer.User([]byte(user))}
	d.Digest = keyer.Digest(engine.DigestDraw, 1, d.User, []byte(key))
	b.AddDraw(&d)
}

// answer is what one draw was told.
type answer struct {
	key    string
	at     engine.Location
	record []byte
}

// draw decides one draw and returns its record.
func (r *rig) draw(b *engine.Batch, user, key string) (answer, error) {
	b.Reset()
	r.addDraw(b, user, key)
	if err := r.node.Decide(b); err != nil {
		return answer{}, err
	}
	return r.answerOf(b, 0, key)
}

// answerOf reads one draw's answer out of a decided batch: from the batch, or if it was decided before, from the store.
func (r *rig) answerOf(b *engine.Batch, i int, key string) (answer, error) {
	res := b.Results[i]
	if res.Code != problem.OK {
		return answer{}, &problem.Error{Code: res.Code}
	}
	a := answer{key: key, at: res.At}
	stored, err := r.opened.State().Records(nil, uint64(res.At.Index), res.At.Ordinal, 1)
	if err != nil {
		return a, fmt.Errorf("record of an answered draw at %v: %w", res.At, err)
	}
	a.record = stored
	if !res.Replayed && !bytes.Equal(stored, b.Records[res.Offset:res.Offset+res.Length]) {
		return a, fmt.Errorf("draw at %v: answered %x, stored %x", res.At, b.Records[res.Offset:res.Offset+res.Length], stored)
	}
	return a, nil
}

// mustStand checks that every answer is given again for its key.
func (r *rig) mustStand(answers []answer, user func(key string) string) {
	r.t.Helper()
	var b engine.Batch
	for len(answers) > 0 {
		some := answers[:min(500, len(answers))]
		answers = answers[len(some):]
		b.Reset()
		for _, a := range some {
			r.addDraw(&b, user(a.key), a.key)
		}
		if err := r.node.Decide(&b); err != nil {
			r.t.Fatal(err)
		}
		for i, a := range some {
			again, err := r.answerOf(&b, i, a.key)
			if err != nil {
				r.t.Fatalf("draw %s: %v", a.key, err)
			}
			if !b.Results[i].Replayed || again.at != a.at || !bytes.Equal(again.record, a.record) {
				r.t.Fatalf("draw %s was answered at %v with %x, is now at %v with %x (replayed %v)", a.key, a.at, a.record, again.at, again.record, b.Results[i].Replayed)
			}
		}
	}
}
