package control

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// drawn makes one draw by the engine's own door and returns its public id and its record.
func (w *world) drawn(campaign, user, key string) (string, engine.Record) {
	w.t.Helper()
	r, b := w.tryDraw(campaign, user, key)
	if r.Code != problem.OK {
		w.t.Fatalf("draw: %v", r.Code)
	}
	var record engine.Record
	if _, err := engine.DecodeRecord(b.Records[r.Offset:], &record); err != nil {
		w.t.Fatal(err)
	}
	return string(w.engine.AppendID(nil, engine.IDDraw, r.At)), record
}

func (w *world) tryDraw(campaign, user, key string) (*engine.Result, *engine.Batch) {
	w.t.Helper()
	c, ok := w.engine.Namespaces()[0].Campaign([]byte(campaign))
	if !ok {
		w.t.Fatal("no campaign " + campaign)
	}
	keyer := c.Namespace().Keyer()
	id := keyer.User([]byte(user))
	b := w.decide(func(b *engine.Batch) {
		b.AddDraw(&engine.Draw{Campaign: c.Ref(), User: id, UserID: []byte(user), Digest: keyer.Digest(engine.DigestDraw, c.Ref(), id, []byte(key)), Times: 1})
	})
	return &b.Results[0], b
}

// says returns what the explanation says at a rung.
func (a *answer) says(rung string) string {
	for _, s := range a.json()["steps"].([]any) {
		if m := s.(map[string]any); m["rung"] == rung {
			return fmt.Sprint(m["verdict"], ": ", m["says"], " ", m["facts"])
		}
	}
	return "no such rung"
}

// expect fails unless text holds every part.
func expect(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s: no %q in\n%s", what, part, text)
		}
	}
}

func TestExplainDraw(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	w.at(start.Add(2 * time.Hour))
	seen := map[string]bool{}
	for i := 0; i < 40 || len(seen) < 4 && i < 1000; i++ { // the seed is another in each run
		id, r := w.drawn("flash", "u"+itoa(i), "k")
		a := w.want(200, "GET", "/admin/v1/draws/"+id+":explain?key=k", "")
		expect(t, "idempotency", a.says("idempotency"), "passed: ", "the key that you name gives the recorded digest", "key_matches:true")
		expect(t, "word", a.says("word"), "recomputed:true", "made again from the seed it is the same", fmt.Sprintf("%016x", r.Word))
		expect(t, "caps", a.says("caps"), "before:0", "after:1", "limit:3", "cap:day")
		switch {
		case r.Prize == engine.NoPrize && r.Natural == engine.NoPrize:
			seen["miss"] = true
			expect(t, "miss", a.text("summary"), "A miss: the word named no prize.")
			expect(t, "miss", a.says("word"), "800 to 999 is the miss")
		case r.Prize == engine.NoPrize:
			seen["sold out"] = true
			expect(t, "sold out", a.text("summary"), "the word named phone, which was sold out")
			expect(t, "sold out", a.says("availability"), "cause:sold_out")
		case r.Prize == 0:
			seen["phone"] = true
			expect(t, "win", a.text("summary"), "Won phone: the word named it")
			expect(t, "win", a.says("word"), "0 to 499 is phone", "weight:500")
			expect(t, "win", a.says("outcome"), "decided: won phone, of which "+itoa(int(r.StockAfter))+" were left then")
		default:
			seen["coupon"] = true
			expect(t, "win", a.says("word"), "500 to 799 is coupon")
		}
	}
	if len(seen) != 4 {
		t.Errorf("seen only %v", seen)
	}
	id, _ := w.drawn("flash", "u0", "k2")
	a := w.want(200, "GET", "/admin/v1/draws/"+id+":explain?key=k", "")
	expect(t, "another key", a.says("idempotency"), "NOT the one", "key_matches:false")
	expect(t, "second", a.says("outcome"), "previous_draw:d")
	for _, none := range []string{"daaaaaaaaaaaaaaaaaaaaaaaaaa", "x", id[:26]} {
		w.refused(problem.DrawNotFound, "GET", "/admin/v1/draws/"+none+":explain", "")
	}
	w.refused(problem.UnknownField, "GET", "/admin/v1/draws/"+id+":explain?x=1", "")
}

func TestExplainPity(t *testing.T) {
	w := newWorld(t)
	file := strings.Replace(flashFile, "weight: 500, stock: 5", "weight: 0, stock: 5", 1)
	file = strings.Replace(file, "weight: 300", "weight: 1", 1)
	file = strings.Replace(file, "prizes:\n", "pity: [{id: luck, guarantee_within: 3, prizes: [phone], reserve: {phone: 1}}]\nprizes:\n", 1)
	w.publish("flash", file)
	w.at(start.Add(2 * time.Hour))
	var id string
	for i := range 3 {
		id, _ = w.drawn("flash", "u1", "k"+itoa(i))
	}
	a := w.want(200, "GET", "/admin/v1/draws/"+id+":explain", "")
	expect(t, "pity", a.text("summary"), "Won phone by pity luck.")
	expect(t, "pity", a.says("pity"), "decided: draw 3 in a row without a win of pity luck, which guarantees one within 3: gave phone instead", "before:2", "after:0")
	for i := range 3 {
		id, _ = w.drawn("flash", "u2", "k"+itoa(i))
	}
	expect(t, "unfunded", w.want(200, "GET", "/admin/v1/draws/"+id+":explain", "").says("pity"), "its reserve was empty", "unfunded:true")
}

func TestExplainUser(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	const path = "/admin/v1/campaigns/flash/users/u:1@x:explain"
	a := w.want(200, "GET", path, "")
	expect(t, "early", a.text("summary"), "Denied at campaign: The campaign has not started.", "Nothing was consumed.")
	expect(t, "early", a.says("campaign"), "denied", "Again from 2026-11-10 16:00:00.000 UTC")
	expect(t, "early", a.says("caps"), "not_reached", "used:0")
	w.at(start.Add(2 * time.Hour))
	expect(t, "on time", w.want(200, "GET", path, "").text("summary"), "The user could draw now.")
	for i := range 3 {
		w.drawn("flash", "u:1@x", itoa(i))
	}
	a = w.want(200, "GET", path, "")
	expect(t, "capped", a.says("caps"), "denied: Cap day is reached: at most 3 draws a day for each user.", "used:3", "resets_at:2026-11-11T16:00:00.000Z")
	expect(t, "capped", a.says("outcome"), "draws:3", "last_draw:d")
	w.want(200, "PUT", "/admin/v1/switches/namespace", switchOff)
	expect(t, "killed", w.want(200, "GET", path, "").says("campaign"), "Draws are switched off: namespace.")
	w.refused(problem.CampaignNotFound, "GET", "/admin/v1/campaigns/none/users/u1:explain", "")
	w.refused(problem.NotFound, "GET", "/admin/v1/campaigns/flash/users/u*:explain", "")
}

// A denial is explained from its request id alone, by any node, after any restart; a forged id is not.
func TestExplainRequest(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	w.at(start.Add(2 * time.Hour))
	for i := range 3 {
		w.drawn("flash", "u1", itoa(i))
	}
	r, _ := w.tryDraw("flash", "u1", "4")
	key := w.engine.Namespaces()[0].Keyer().User([]byte("u1"))
	elsewhere := render.NewSealer(w.engine, 9) // another node: the engine's key is replicated
	id := string(elsewhere.Append(nil, &render.Facts{
		Code: r.Code, Cap: w.engine.CapPlace(r), Campaign: r.Campaign, User: uint16(key[0])<<8 | uint16(key[1]), Index: 7, Seconds: start.Unix(),
	}))
	// A version later the cap stands at another place of the file.
	second := strings.Replace(flashFile, "caps:\n", "caps:\n  - {id: roll, counts: draws, window: {rolling: 1h}, limit: 3}\n", 1)
	w.want(200, "POST", "/admin/v1/campaigns/flash:publish", publishBody(w.saveDraft("flash", second), `,"forced":true,"reason":"x"`))
	path := "/admin/v1/requests/" + id + ":explain"
	a := w.want(200, "GET", path+"?user=u1", "")
	expect(t, "capped", a.text("summary"), "Denied at caps: Cap day is reached: at most 3 draws a day for each user. Nothing was consumed.")
	expect(t, "capped", a.says("caps"), "node:9", "applied_index:7", "user_matches:true", "cap:day")
	if a.text("at") != "2026-11-10T15:00:00.000Z" || a.text("campaign") != "flash" || a.text("user") != "u1" || a.text("code") != "capped" {
		t.Errorf("%s", a.body)
	}
	a = w.want(200, "GET", path+"?user=u2", "")
	expect(t, "another user", a.text("summary"), "The request was of another user.")
	forged := []byte(id)
	for i := 1; i < len(forged); i++ {
		was := forged[i]
		forged[i] = 'a' + (was-'a'+1)%26
		w.refused(problem.NotFound, "GET", "/admin/v1/requests/"+string(forged)+":explain", "")
		forged[i] = was
	}
	// Of the plane's own refusals, too.
	refused := w.refused(problem.PrizeNotFound, "PUT", "/admin/v1/switches/prize/flash/none", switchOff)
	a = w.want(200, "GET", "/admin/v1/requests/"+refused.text("request_id")+":explain", "")
	expect(t, "a refusal of an operator", a.text("summary"), "Refused before the ladder: There is no such prize.")
}
