package resp

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/render"
)

// command is one thing that a client can ask for.
type command struct {
	run   func(c *conn, args *arguments)
	least int // arguments after the name
	most  int
	need  access.Scope // any of these; unchecked asks nobody
	form  string       // as docs/resp.md and a wrong number of arguments tell it
}

// unchecked is the need of a command that a client may send before AUTH.
const unchecked = access.Scope(1 << 7)

// commands by name. docs/resp.md is held against it by a test.
var commands = map[string]command{
	"ping":    {run: ping, most: 1, need: unchecked, form: "PING [message]"},
	"echo":    {run: echo, least: 1, most: 1, need: unchecked, form: "ECHO message"},
	"quit":    {run: quit, need: unchecked, form: "QUIT"},
	"auth":    {run: auth, least: 1, most: 2, need: unchecked, form: "AUTH [namespace] secret"},
	"select":  {run: selectDatabase, least: 1, most: 1, need: unchecked, form: "SELECT 0"},
	"client":  {run: client, least: 1, most: maxArgs, need: unchecked, form: "CLIENT …"},
	"command": {run: commandTable, most: maxArgs, need: unchecked, form: "COMMAND"},
	"info":    {run: info, most: maxArgs, form: "INFO"},

	"draw":    {run: draw, least: 3, most: 80, need: access.ScopeDraw, form: "DRAW campaign user key [TIMES n] [CHANNEL c] [DEVICE d] [IP a] [ATTR name value]… [VERSION n] [MAXPRICE n] [RETRY]"},
	"stock":   {run: stock, least: 1, most: 2, need: access.ScopeRead | access.ScopeStock, form: "STOCK [POOL] id"},
	"chances": {run: chances, least: 2, most: 2, need: access.ScopeDraw | access.ScopeChances | access.ScopeRead, form: "CHANCES campaign user"},
	"grant":   {run: grant, least: 5, most: 9, need: access.ScopeChances, form: "GRANT campaign user source event amount [EXPIRES ms] [OCCURRED ms]"},
	"take":    {run: take, least: 3, most: 7, need: access.ScopeStock, form: "TAKE pool owner key [QUANTITY n] [REF r]"},
	"hold":    {run: hold, least: 5, most: 24, need: access.ScopeStock, form: "HOLD owner key [TTL ms] [REF r] ITEMS pool quantity [pool quantity]…"},
	"confirm": {run: confirm, least: 1, most: 20, need: access.ScopeStock, form: "CONFIRM hold [LATE] [ITEMS pool quantity …]"},
	"release": {run: release, least: 1, most: 1, need: access.ScopeStock, form: "RELEASE hold"},
	"extend":  {run: extend, least: 1, most: 3, need: access.ScopeStock, form: "EXTEND hold [TTL ms]"},
	"hit":     {run: hit, least: 3, most: 5, need: access.ScopeDraw, form: "HIT cap user key [QUANTITY n]"},
}

// httpWords are what an HTTP request begins with. A page can make a browser send one to this port, and its body could hold
// commands: so the connection ends there.
var httpWords = map[string]bool{"get": true, "post": true, "put": true, "head": true, "options": true, "delete": true, "patch": true, "connect": true, "host:": true}

// do carries out one command: admits it, counts its arguments, runs it.
func (c *conn) do(args [][]byte) {
	var lower [16]byte
	name := lower[:0]
	for _, b := range args[0][:min(len(args[0]), len(lower))] {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		name = append(name, b)
	}
	cmd, known := commands[string(name)]
	switch {
	case len(args[0]) > len(lower) || !known:
		c.unknown(args[0], httpWords[string(name)])
		return
	case len(args)-1 < cmd.least || len(args)-1 > cmd.most:
		c.flush()
		c.server.figures.commands[string(name)].Inc()
		c.out = appendError(c.out, "ERR", "wrong number of arguments for '"+string(name)+"': "+cmd.form)
		return
	}
	c.server.figures.commands[string(name)].Inc()
	c.facts = render.Facts{}
	if cmd.need != unchecked && !c.admit(cmd.need) {
		return
	}
	cmd.run(c, &arguments{left: args[1:]})
}

func (c *conn) unknown(name []byte, http bool) {
	c.flush()
	c.server.figures.unknown.Inc()
	if http {
		c.out = appendError(c.out, "ERR", "this is not HTTP")
		c.hangup = true
		return
	}
	shown := string(name[:min(len(name), 32)])
	if strings.IndexFunc(shown, func(r rune) bool { return r < 0x21 || r > 0x7e }) >= 0 {
		shown = "…"
	}
	c.out = appendError(c.out, "ERR", "unknown command '"+shown+"'; docs/resp.md lists the commands")
}

// admit asks the gate. The host of a request without keys is this machine's: RESP has no Host that a page could forge.
func (c *conn) admit(need access.Scope) bool {
	c.request = access.Request{Now: c.now, Peer: c.peer, Authorization: c.credential, Host: loopbackHost, Namespace: c.namespace}
	g, refusal := c.server.options.Gate.Check(&c.request, need)
	if refusal.Code != problem.OK {
		c.refuse(refusal.Code, refusal.Detail())
		return false
	}
	c.grant = g
	return true
}

var loopbackHost = []byte("localhost")

// auth remembers a credential if it is one. A wrong one leaves the connection without any.
func auth(c *conn, a *arguments) {
	c.flush()
	c.credential, c.namespace = nil, nil
	var namespace []byte
	if len(a.left) == 2 {
		if namespace = bytes.Clone(a.next()); string(namespace) == access.DefaultNamespace {
			namespace = nil // what clients send that know users, but were told none
		}
	}
	c.credential, c.namespace = append([]byte("Bearer "), a.next()...), namespace
	if c.admit(0) {
		c.out = appendSimple(c.out, "OK")
		return
	}
	c.credential, c.namespace = nil, nil
}

func ping(c *conn, a *arguments) {
	c.flush()
	if len(a.left) == 1 {
		c.out = appendBulk(c.out, a.next())
		return
	}
	c.out = appendSimple(c.out, "PONG")
}

func echo(c *conn, a *arguments) {
	c.flush()
	c.out = appendBulk(c.out, a.next())
}

func quit(c *conn, _ *arguments) {
	c.flush()
	c.out = appendSimple(c.out, "OK")
	c.hangup = true
}

// selectDatabase takes the one database that there is: clients select it when they connect.
func selectDatabase(c *conn, a *arguments) {
	c.flush()
	if string(a.next()) != "0" {
		c.out = appendError(c.out, "ERR", "there is one database, 0: a namespace is chosen by AUTH namespace secret")
		return
	}
	c.out = appendSimple(c.out, "OK")
}

// client takes what client libraries say of themselves.
func client(c *conn, _ *arguments) {
	c.flush()
	c.out = appendSimple(c.out, "OK")
}

// commandTable answers redis-cli, which asks for the commands to complete them. It gets none, and asks again for nothing.
func commandTable(c *conn, _ *arguments) {
	c.flush()
	c.out = appendArray(c.out, 0)
}

// info tells where the node stands, in the form of Redis.
func info(c *conn, _ *arguments) {
	c.flush()
	o := &c.server.options
	ready := "1"
	if o.Ready() != nil {
		ready = "0"
	}
	c.out = appendBulk(c.out, "# Server\r\nserver:drawd\r\ndrawd_version:"+o.Version+"\r\nready:"+ready+
		"\r\napplied_index:"+strconv.FormatUint(uint64(o.Engine.AppliedIndex()), 10)+
		"\r\nlog_time_ms:"+strconv.FormatInt(int64(o.Engine.LogTime()), 10)+
		"\r\n\r\n# Clients\r\nconnected_clients:"+strconv.Itoa(c.server.connections())+"\r\n")
}

// arguments are what is left of a command's.
type arguments struct {
	left  [][]byte
	fault string // the first thing that is wrong
}

// next takes one argument; the number of those that must be there was counted.
func (a *arguments) next() []byte {
	b := a.left[0]
	a.left = a.left[1:]
	return b
}

// wrong notes what is wrong with an argument.
func (a *arguments) wrong(what string) {
	if a.fault == "" {
		a.fault = what
	}
}

// option takes the name of an option, in any case of letters; "" when nothing is left.
func (a *arguments) option() string {
	if len(a.left) == 0 {
		return ""
	}
	name := a.next()
	if len(name) > 16 {
		return "?"
	}
	return strings.ToUpper(string(name))
}

// value takes the value of an option.
func (a *arguments) value(option string) []byte {
	if len(a.left) == 0 {
		a.wrong(option + " needs a value")
		return nil
	}
	return a.next()
}

// number takes a whole number.
func (a *arguments) number(what string, b []byte, least, most int64) int64 {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n < least || n > most || len(b) > 0 && b[0] == '+' {
		a.wrong(what + " must be " + strconv.FormatInt(least, 10) + " to " + strconv.FormatInt(most, 10))
		return least
	}
	return n
}

// user takes the id of a user whom the namespace's policy allows.
func (c *conn) user(a *arguments) []byte {
	user := a.next()
	if !names.Subject(user) || !c.server.users.Allow(c.grant.Namespace, user) {
		a.wrong("user must be 1 to 128 of the characters A-Z a-z 0-9 . _ ~ : @ = + -, and one that the policy allows")
	}
	return user
}

func (a *arguments) key() []byte {
	key := a.next()
	if !names.Key(key) {
		a.wrong("key must be 1 to 64 visible ASCII characters")
	}
	return key
}

// campaign takes the id of a campaign and finds it, or refuses.
func (c *conn) campaign(a *arguments) (*engine.Campaign, bool) {
	id := a.next()
	if !c.grant.AllowsCampaign(id) {
		c.refuse(problem.Forbidden, "The key may not touch this campaign.")
		return nil, false
	}
	x, refused := c.grant.Campaign(id)
	if refused.Code != problem.OK {
		c.refuse(refused.Code, refused.Detail())
	}
	return x, refused.Code == problem.OK
}

// sound reports whether nothing was wrong with the arguments; else it refuses.
func (c *conn) sound(a *arguments) bool {
	if a.fault == "" && len(a.left) > 0 {
		a.wrong("too many arguments")
	}
	if a.fault != "" {
		c.refuse(problem.InvalidField, a.fault)
	}
	return a.fault == ""
}
