package client_test

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/drawd/drawd/client"
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/raftlog"
	"github.com/drawd/drawd/server"
	"github.com/drawd/drawd/server/control"
	"github.com/drawd/drawd/storage"
)

// node is a whole drawd in this process: storage in memory, the log, the engine and both planes, over real connections.
type node struct {
	store  *storage.Store
	log    *raftlog.Node
	server *server.Server
	served chan error
}

// standing is how cmd/drawd shows the log's node to the planes.
type standing struct{ *raftlog.Node }

// Status says that the node stands.
func (n standing) Status() control.Status {
	s := n.Node.Status()
	return control.Status{Node: s.NodeID, Leader: s.Leader, Term: s.Term, Last: s.LastLog}
}

// startNode starts a node. It panics when it cannot: examples have no other way.
func startNode() *node {
	n := &node{served: make(chan error, 1)}
	key := [32]byte{7}
	logger := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	e, err := engine.New(engine.Options{ClusterKey: key})
	must(err)
	n.store, err = storage.Open(storage.Options{Dir: "data", FS: storage.NewCrashFS(), Logger: logger})
	must(err)
	n.log, err = raftlog.Open(ctx, raftlog.Options{Store: n.store, Engine: e, Logger: logger, QueueAge: time.Minute, GiveUp: time.Hour, SyncLimit: time.Hour}) // how fast this machine is is not what is tested
	must(err)
	n.server, err = server.New(server.Options{
		API: "127.0.0.1:0", Admin: "127.0.0.1:0", Engine: e, Decider: n.log, Records: n.store.State(), Node: standing{n.log},
		ClusterKey: key, Logger: logger,
	})
	must(err)
	must(n.server.Listen())
	go func() { n.served <- n.server.Serve() }()
	return n
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// stop ends a node as SIGTERM does.
func (n *node) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	must(n.server.Shutdown(ctx))
	must(<-n.served)
	must(n.log.Close(ctx))
	must(n.store.Close())
}

func (n *node) api() string { return "http://" + n.server.API().String() }

func (n *node) admin() string { return "http://" + n.server.Admin().String() }

// options of a client of the node.
func (n *node) options() client.Options {
	return client.Options{URLs: []string{n.api()}, AdminURLs: []string{n.admin()}}
}

// flashFile is a campaign in which everybody wins, twice a day.
const flashFile = `campaign: flash
title: {en: Flash sale}
time_zone: UTC
starts_at: 2020-01-01T00:00:00Z
ends_at: 2029-12-01T00:00:00Z
denominator: 1000
caps:
  - {id: day, counts: draws, window: campaign, limit: 2}
prizes:
  - {id: phone, kind: physical, title: {en: Phone}, weight: 1000, stock: 100}
`

// publish makes a file the live version.
func (n *node) publish(file string) {
	id, _, _ := strings.Cut(strings.TrimPrefix(file, "campaign: "), "\n")
	c, err := client.New(n.options())
	must(err)
	defer c.Close()
	ctx := context.Background()
	etag, err := c.Admin().PutDraft(ctx, id, client.Document{Body: []byte(file)})
	must(err)
	_, err = c.Admin().Publish(ctx, client.PublishRequest{Campaign: id, DraftETag: etag})
	must(err)
}
