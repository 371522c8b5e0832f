package dataplane

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// results cuts the answer to a batch into its items.
func results(t *testing.T, a answer) (out []struct {
	Status   int
	Replayed bool
	Body     json.RawMessage
}) {
	t.Helper()
	var doc struct {
		Results []struct {
			Status   int
			Replayed bool
			Body     json.RawMessage
		}
	}
	if err := json.Unmarshal(a.body, &doc); err != nil || a.status != 200 {
		t.Fatalf("%d %v %s", a.status, err, a.body)
	}
	return doc.Results
}

func TestBatch(t *testing.T) {
	r := start(t, nil)
	one := r.draw("open", "k1", `{"user":"u1"}`)
	r.draw("soldout", "k1", `{"user":"u1"}`)
	index := r.engine.AppliedIndex()
	const body = `{"draws":[
		{"campaign":"open","user":"u1","key":"k2"},
		{"campaign":"open","user":"u1","key":"k1"},
		{"campaign":"open","user":"u1","key":"k1","times":2},
		{"campaign":"soldout","user":"u1","key":"k2"},
		{"campaign":"none","user":"u1","key":"k1"},
		{"campaign":"open","user":"a/b","key":"k1"},
		{"campaign":"open","user":"u1","key":"k1","foo":1},
		{"campaign":"open","user":"u1","key":"k3","times":3},
		{"campaign":"open","user":"u1","key":"k2"},
		7
	]}`
	a := r.post(http.DefaultTransport, "/v1/draws:batch", body)
	got := results(t, a)
	for i, want := range []struct {
		status   int
		code     string
		replayed bool
	}{
		{200, "", false}, {200, "", true}, {422, "idempotency_mismatch", false}, {409, "exhausted", false}, {404, "campaign_not_found", false},
		{422, "invalid_field", false}, {422, "unknown_field", false}, {200, "", false}, {200, "", true}, {422, "invalid_field", false},
	} {
		var doc map[string]any
		if err := json.Unmarshal(got[i].Body, &doc); err != nil {
			t.Fatal(err)
		}
		code, _ := doc["code"].(string)
		if got[i].Status != want.status || code != want.code || got[i].Replayed != want.replayed {
			t.Errorf("item %d: %d %v %s, want %+v", i, got[i].Status, got[i].Replayed, got[i].Body, want)
		}
		if code == "invalid_field" && i == 5 && doc["errors"].([]any)[0].(map[string]any)["pointer"] != "/draws/5/user" {
			t.Errorf("item %d: %s", i, got[i].Body)
		}
	}
	if !bytes.Equal(got[1].Body, one.body) || !bytes.Equal(got[8].Body, got[0].Body) || !bytes.HasPrefix(got[7].Body, []byte(`{"draws":[`)) {
		t.Errorf("%s", a.body)
	}
	if r.engine.AppliedIndex() != index+1 || a.header.Get("Drawd-Index") != fmt.Sprint(index+1) {
		t.Errorf("%d entries, header %q", r.engine.AppliedIndex()-index, a.header.Get("Drawd-Index"))
	}
	unary := r.draw("open", "k2", `{"user":"u1"}`)
	if !bytes.Equal(unary.body, got[0].Body) {
		t.Errorf("the unary replay of a draw of a batch differs: %s", unary.body)
	}
}

func TestBadBatches(t *testing.T) {
	r := start(t, nil)
	item := `{"campaign":"open","user":"u1","key":"k1"}`
	many := func(n int, item string) string {
		return `{"draws":[` + strings.Repeat(item+",", n-1) + item + `]}`
	}
	for _, f := range []struct {
		name, body string
		status     int
		code       string
		pointer    string
	}{
		{"empty", ``, 400, "bad_json", ""},
		{"cut", `{"draws":[` + item, 400, "bad_json", ""},
		{"cut in an item", `{"draws":[` + item + `,{"campaign":"open","user":`, 400, "bad_json", ""},
		{"trailing", many(1, item) + "x", 400, "bad_json", ""},
		{"twice", `{"draws":[` + item + `],"draws":[]}`, 400, "bad_json", ""},
		{"duplicate in an item", `{"draws":[{"campaign":"open","user":"u1","key":"k1","key":"k1"}]}`, 400, "bad_json", ""},
		{"17 levels", `{"draws":[{"campaign":"open","user":"u1","key":"k1","attributes":{"a":` + strings.Repeat("[", 13) + strings.Repeat("]", 13) + `}}]}`, 400, "bad_json", ""},
		{"trailing comma", `{"draws":[` + item + `,]}`, 400, "bad_json", ""},
		{"list", `[]`, 422, "invalid_field", ""},
		{"nothing", `{}`, 422, "invalid_field", "/draws"},
		{"none", `{"draws":[]}`, 422, "invalid_field", "/draws"},
		{"object", `{"draws":{}}`, 422, "invalid_field", "/draws"},
		{"unknown", `{"draws":[` + item + `],"foo":1}`, 422, "unknown_field", "/foo"},
		{"1001", many(1001, item), 422, "invalid_field", "/draws"},
		{"5000", many(5000, item), 422, "invalid_field", "/draws"},
		{"1010 sub-draws", many(101, `{"campaign":"open","user":"u1","key":"k1","times":10}`), 422, "invalid_field", "/draws"},
	} {
		t.Run(f.name, func(t *testing.T) {
			r.t = t
			a := r.do("POST", "/v1/draws:batch", f.body, "Content-Type", "application/json")
			r.want(f.name, a, f.status, f.code)
			pointer := ""
			if errors, ok := a.json["errors"].([]any); ok {
				pointer = errors[0].(map[string]any)["pointer"].(string)
			}
			if pointer != f.pointer {
				t.Errorf("it points at %q, want %q", pointer, f.pointer)
			}
		})
	}
	r.t = t
	if r.engine.AppliedIndex() != 1 {
		t.Error("bad batches reached the log")
	}
	r.want("another type", r.do("POST", "/v1/draws:batch", `{"draws":[]}`, "Content-Type", "text/json"), 415, "unsupported_media_type")
	var keys strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&keys, `,{"campaign":"open","user":"%0128d","key":"%064d"}`, i, i)
	}
	if n := len(results(t, r.do("POST", "/v1/draws:batch", `{"draws":[`+keys.String()[1:]+`]}`))); n != 1000 {
		t.Errorf("%d results", n)
	}
}

// A batch stops looking at committed facts when that finds nothing, and then its denials come from the log.
func TestBatchPeeksWhileItPays(t *testing.T) {
	r := start(t, nil)
	r.draw("soldout", "k1", `{"user":"u1"}`)
	batch := func(campaigns ...string) {
		var b strings.Builder
		for i, c := range campaigns {
			fmt.Fprintf(&b, `,{"campaign":"%s","user":"u%d","key":"k%d"}`, c, i, i+100)
		}
		results(t, r.do("POST", "/v1/draws:batch", `{"draws":[`+b.String()[1:]+`]}`))
	}
	index, facts := r.engine.AppliedIndex(), r.server.figures.facts.Get()
	batch(strings.Fields(strings.Repeat("soldout ", 500))...)
	if n := r.server.figures.facts.Get() - facts; n != 500 || r.engine.AppliedIndex() != index {
		t.Errorf("%d of 500 denials from facts", n)
	}
	facts = r.server.figures.facts.Get()
	batch(strings.Fields(strings.Repeat("open ", 500) + strings.Repeat("soldout ", 100))...)
	if n, logged := r.server.figures.facts.Get()-facts, r.server.figures.logged.Get(); n != 0 || logged != 100 {
		t.Errorf("%d denials from facts, %d from the log", n, logged)
	}
}

// wire builds binary batches, as a client does.
type wire struct {
	campaigns []string
	items     [][]byte
}

func (w *wire) add(campaign int, user, key string, flags byte, rest ...byte) *wire {
	item := append([]byte{byte(campaign), flags, byte(len(user))}, user...)
	item = append(append(item, byte(len(key))), key...)
	w.items = append(w.items, append(item, rest...))
	return w
}

func (w *wire) bytes() []byte {
	b := append([]byte("drwb"), 1, 1)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(w.items)))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(w.campaigns)))
	for _, c := range w.campaigns {
		b = append(append(b, byte(len(c))), c...)
	}
	for _, item := range w.items {
		b = append(binary.LittleEndian.AppendUint16(b, uint16(len(item))), item...)
	}
	binary.LittleEndian.PutUint32(b[8:], uint32(len(b)-16))
	return b
}

// subdrawOnWire is one sub-draw of a binary answer.
type subdrawOnWire struct {
	draw    string
	version uint32
	seq     uint64
	at      int64
	left    []uint32
	slot    int16
	win     bool
	prize   string
	kind    byte
	amount  int64
	chances int // left
}

// itemOnWire is one item of a binary answer.
type itemOnWire struct {
	status int
	flags  byte
	draws  []subdrawOnWire
	code   problem.Code
	cap    string
	point  string
}

// readWire reads a binary answer, to the last byte.
func readWire(t testing.TB, b []byte) (items []itemOnWire) {
	t.Helper()
	f := fields{b: b}
	head := f.take(16)
	if string(head[:6]) != "drwb\x01\x02" || int(binary.LittleEndian.Uint32(head[8:])) != len(f.b) {
		t.Fatalf("%x", head)
	}
	for range binary.LittleEndian.Uint16(head[6:]) {
		p := fields{b: f.take(int(f.u16()))}
		item := itemOnWire{status: int(p.u16()), flags: p.u8()}
		n := int(p.u8())
		for range n {
			d := subdrawOnWire{draw: string(p.take(27)), version: p.u32(), seq: binary.LittleEndian.Uint64(p.take(8)), at: int64(binary.LittleEndian.Uint64(p.take(8)))}
			outcome := p.u8()
			d.win = outcome&0x7f == 1
			for range p.u8() {
				d.left = append(d.left, p.u32())
			}
			d.slot = int16(p.u16())
			if outcome&0x80 != 0 {
				d.chances = int(p.u32())
			}
			if d.win {
				d.prize, d.kind, d.amount = string(p.short()), p.u8(), int64(binary.LittleEndian.Uint64(p.take(8)))
			}
			item.draws = append(item.draws, d)
		}
		if n == 0 {
			item.code = problem.Code(p.u8())
			p.take(3 + 40 + 4 + 4 + 8 + 8)
			item.cap, item.point = string(p.short()), string(p.short())
		}
		if p.bad || len(p.b) > 0 {
			t.Fatalf("item: %d bytes left", len(p.b))
		}
		items = append(items, item)
	}
	if f.bad || len(f.b) > 0 {
		t.Fatalf("%d bytes left", len(f.b))
	}
	return items
}

func (r *rig) binary(b []byte) answer {
	r.t.Helper()
	return r.send(http.DefaultTransport, "POST", "/v1/draws:batch", string(b), "Content-Type", typeBatch)
}

// The binary form says the same as JSON, and is the same bytes when it is a replay.
func TestBinaryBatch(t *testing.T) {
	r := start(t, nil)
	w := &wire{campaigns: []string{"flash", "open", "none"}}
	w.add(0, "u1", "k1", 0).add(0, "u1", "k2", hasTimes, 1).add(1, "u2", "k1", hasTimes|hasChannel|hasDevice|hasIP|hasVersion|hasPrice,
		append(append(append([]byte{2, 2, 'h', '5', 2, 'd', '1'}, make([]byte, 10)...), 0xff, 0xff, 1, 2, 3, 4), 1, 0, 0, 0, 9, 0, 0, 0)...)
	w.add(2, "u1", "k1", 0).add(1, "a/b", "k1", 0).add(0, "u1", "k9", hasTimes, 3).add(1, "u1", "k1", hasVersion, 2, 0, 0, 0)
	a := r.binary(w.bytes())
	if a.status != 200 || a.header.Get("Content-Type") != typeBatch || a.header.Get("Drawd-Index") != "2" {
		t.Fatalf("%d %v %q", a.status, a.header, a.body)
	}
	items := readWire(t, a.body)
	for i, want := range []itemOnWire{
		{status: 200, draws: make([]subdrawOnWire, 1)}, {status: 200, flags: isListed, draws: make([]subdrawOnWire, 1)}, {status: 200, flags: isListed, draws: make([]subdrawOnWire, 2)},
		{status: 404, code: problem.CampaignNotFound}, {status: 422, code: problem.InvalidField, point: "/draws/4/user"},
		{status: 409, code: problem.Capped, cap: "day"}, {status: 409, code: problem.VersionChanged},
	} {
		got := items[i]
		if got.status != want.status || got.flags != want.flags || len(got.draws) != len(want.draws) || got.code != want.code || got.cap != want.cap || got.point != want.point {
			t.Errorf("item %d: %+v", i, got)
		}
	}
	var same struct {
		Draw, Outcome string
		Seq           uint64
		Version       uint32
		Slot          *int16
		Prize         *struct{ ID string }
		Remaining     struct{ Caps map[string]uint32 }
	}
	if err := json.Unmarshal(r.draw("flash", "k1", `{"user":"u1"}`).body, &same); err != nil {
		t.Fatal(err)
	}
	if d := items[0].draws[0]; d.draw != same.Draw || d.seq != same.Seq || d.version != same.Version || d.at != testNow || d.left[0] != same.Remaining.Caps["day"] ||
		d.win != (same.Outcome == "win") || d.win && (d.prize != same.Prize.ID || d.slot != *same.Slot) || !d.win && d.slot != -1 {
		t.Errorf("%+v in binary, %+v in JSON", d, same)
	}
	again := r.binary((&wire{campaigns: []string{"flash"}}).add(0, "u1", "k1", 0).bytes())
	item := readWire(t, again.body)[0]
	if item.flags != isReplayed {
		t.Errorf("flags %x", item.flags)
	}
	length := binary.LittleEndian.Uint16(a.body[16:])
	if !bytes.Equal(again.body[16+2+4:], a.body[16+2+4:16+2+length]) {
		t.Error("a replay has other bytes")
	}
}

func TestDamagedBinaryBatches(t *testing.T) {
	r := start(t, nil)
	good := func() *wire { return (&wire{campaigns: []string{"open"}}).add(0, "u1", "k1", hasTimes, 1) }
	set := func(at int, v byte) []byte {
		b := good().bytes()
		b[at] = v
		return b
	}
	for name, b := range map[string][]byte{
		"empty": {}, "short": good().bytes()[:15], "magic": set(0, 'D'), "version": set(4, 2), "an answer": set(5, 2), "count": set(6, 2), "count 0": set(6, 0),
		"length": set(8, 1), "reserved": set(12, 1), "cut": good().bytes()[:30], "no campaigns": (&wire{}).add(0, "u1", "k1", 0).bytes(),
		"campaign out of range": (&wire{campaigns: []string{"open"}}).add(1, "u1", "k1", 0).bytes(),
		"unknown flag":          (&wire{campaigns: []string{"open"}}).add(0, "u1", "k1", 1<<6).bytes(),
		"item too short":        (&wire{campaigns: []string{"open"}}).add(0, "u1", "k1", hasIP, 1, 2, 3).bytes(),
		"item too long":         (&wire{campaigns: []string{"open"}}).add(0, "u1", "k1", 0, 1).bytes(),
		"1001 items": func() []byte {
			w := good()
			for range 1000 {
				w.add(0, "u1", "k1", 0)
			}
			return w.bytes()
		}(),
	} {
		a := r.binary(b)
		r.want(name, a, 422, "invalid_field")
	}
	if r.engine.AppliedIndex() != 1 {
		t.Error("damaged batches reached the log")
	}
	for name, w := range map[string]*wire{
		"times 0": (&wire{campaigns: []string{"open"}}).add(0, "u1", "k1", hasTimes, 0), "times 11": (&wire{campaigns: []string{"open"}}).add(0, "u1", "k1", hasTimes, 11),
		"no user": (&wire{campaigns: []string{"open"}}).add(0, "", "k1", 0), "no key": (&wire{campaigns: []string{"open"}}).add(0, "u1", "", 0),
		"bad campaign": (&wire{campaigns: []string{"-"}}).add(0, "u1", "k1", 0), "empty channel": (&wire{campaigns: []string{"open"}}).add(0, "u1", "k1", hasChannel, 0),
		"version 0": (&wire{campaigns: []string{"open"}}).add(0, "u1", "k1", hasVersion, 0, 0, 0, 0), "bad device": (&wire{campaigns: []string{"open"}}).add(0, "u1", "k1", hasDevice, 1, ' '),
	} {
		if items := readWire(t, r.binary(w.bytes()).body); items[0].status != 422 || items[0].code != problem.InvalidField {
			t.Errorf("%s: %+v", name, items[0])
		}
	}
}

// The worked example of docs/wire.md is what the code does.
func TestWireExample(t *testing.T) {
	doc, err := os.ReadFile("../../docs/wire.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(doc), "```hex\n")
	if len(blocks) != 3 {
		t.Fatalf("%d hex blocks in docs/wire.md, want a request and an answer", len(blocks)-1)
	}
	parse := func(block string) []byte {
		block, _, _ = strings.Cut(block, "```")
		var out []byte
		for line := range strings.Lines(block) {
			line, _, _ = strings.Cut(line, "#")
			b, err := hex.DecodeString(strings.Join(strings.Fields(line), ""))
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			out = append(out, b...)
		}
		return out
	}
	for _, row := range regexp.MustCompile("(?m)^\\| (\\d+) \\| `([a-z_]+)` \\|$").FindAllStringSubmatch(string(doc), -1) {
		if n, _ := strconv.Atoi(row[1]); problem.Code(n).String() != row[2] {
			t.Errorf("docs/wire.md says %s is %s; it is %s", row[1], row[2], problem.Code(n))
		}
	}
	r := start(t, nil)
	r.draw("flash", "k0", `{"user":"u2","times":3}`)
	request := (&wire{campaigns: []string{"flash"}}).add(0, "u1", "k1", 0).add(0, "u2", "k1", hasTimes, 2).bytes()
	if got := parse(blocks[1]); !bytes.Equal(got, request) {
		t.Errorf("the request of the example is\n%swant\n%s", hex.Dump(got), hex.Dump(request))
	}
	a := r.binary(request)
	if got := parse(blocks[2]); !bytes.Equal(got, a.body) {
		t.Errorf("the answer of the example is\n%swant\n%s", hex.Dump(got), hex.Dump(a.body))
	}
}

// Batches in which committed facts answer nothing look less and less for it, and one answer makes the next ones look as long as ever.
func TestPatienceWithFacts(t *testing.T) {
	b := &batchWork{patience: maxPatience}
	for i, batch := range []struct{ peeks, found, want int }{
		{16, 0, 8}, {3, 0, 8}, {8, 0, 4}, {4, 0, 2}, {2, 0, 1}, {1, 0, 1}, {1, 0, 1}, {0, 0, 1}, {9, 1, 16}, {256, 256, 16}, {16, 0, 8},
	} {
		b.peeks, b.found = batch.peeks, batch.found
		if b.reset(); b.patience != batch.want || b.peeks != 0 || b.found != 0 {
			t.Fatalf("after batch %d (%d looks, %d answers): patience %d, want %d", i, batch.peeks, batch.found, b.patience, batch.want)
		}
	}
}
