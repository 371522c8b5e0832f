package control

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

const (
	rafflePath = "/admin/v1/campaigns/flash/raffles/tv"
	asLines    = "Content-Type: " + typeLines
)

func entrantLines(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "{\"user\":\"u%d\"}\n", i)
	}
	return b.String()
}

func texts(v any) (all []string) {
	items, _ := v.([]any)
	for _, item := range items {
		all = append(all, item.(string))
	}
	return all
}

// The life of a raffle over HTTP: lists in parts, one draw, absentees, and everybody can make the places again.
func TestRaffle(t *testing.T) {
	w := newWorld(t)
	w.refused(problem.CampaignNotFound, "POST", rafflePath+"/entrants", entrantLines(0, 1), asLines)
	w.publish("flash", flashFile)
	w.refused(problem.NotFound, "GET", rafflePath, "")
	w.refused(problem.NotFound, "POST", rafflePath+":draw", `{"winners":1,"reason":"party"}`)
	if a := w.want(200, "POST", rafflePath+"/entrants", entrantLines(0, 20), asLines).json(); a["added"] != 20.0 || a["entrants"] != 20.0 {
		t.Errorf("%v", a)
	}
	if a := w.want(200, "POST", rafflePath+"/entrants", entrantLines(10, 30), asLines).json(); a["added"] != 10.0 || a["entrants"] != 30.0 {
		t.Errorf("%v", a)
	}
	if a := w.want(200, "POST", rafflePath+"/entrants", entrantLines(10, 30), asLines).json(); a["added"] != 0.0 {
		t.Errorf("the same again: %v", a)
	}
	if a := w.want(200, "GET", rafflePath, "").json(); a["drawn"] != false || a["seed"] != nil || a["winners"] != nil {
		t.Errorf("before the draw: %v", a)
	}
	w.refused(problem.Conflict, "POST", rafflePath+":draw", `{"winners":30,"alternates":1,"reason":"party"}`)
	w.refused(problem.InsufficientStock, "POST", rafflePath+":draw", `{"winners":6,"prize":"phone","reason":"party"}`)
	w.refused(problem.NotFound, "POST", rafflePath+":redraw", `{"absent":["u1"],"reason":"party"}`)
	drawn := w.want(200, "POST", rafflePath+":draw", `{"winners":3,"alternates":2,"prize":"phone","reason":"party"}`)
	if again := w.want(200, "POST", rafflePath+":draw", `{"winners":3,"alternates":2,"prize":"phone","reason":"once more"}`); string(again.body) != string(drawn.body) {
		t.Errorf("drawn twice:\n%s\n%s", drawn.body, again.body)
	}
	w.refused(problem.Conflict, "POST", rafflePath+":draw", `{"winners":2,"reason":"party"}`)
	w.refused(problem.Conflict, "POST", rafflePath+"/entrants", entrantLines(40, 41), asLines)

	places := recompute(t, w, drawn)
	if got := append(texts(drawn.json()["winners"]), texts(drawn.json()["alternates"])...); !slices.Equal(got, places[:5]) {
		t.Errorf("winners and alternates %v, the list says %v", got, places[:5])
	}
	w.refused(problem.Conflict, "POST", rafflePath+":redraw", `{"absent":["`+places[9]+`"],"reason":"party"}`)
	gone := w.want(200, "POST", rafflePath+":redraw", `{"absent":["`+places[1]+`"],"reason":"went home"}`).json()
	if got := texts(gone["winners"]); !slices.Equal(got, []string{places[0], places[2], places[3]}) || !slices.Equal(texts(gone["absent"]), places[1:2]) {
		t.Errorf("after a redraw: %v", gone)
	}
	if a := w.want(200, "GET", "/admin/v1/campaigns/flash/raffles", "").json(); len(a["items"].([]any)) != 1 {
		t.Errorf("raffles: %v", a)
	}
	feed := string(w.want(200, "GET", feedPath, "").body)
	for _, kind := range []string{`"kind":"entrants"`, `"kind":"raffle"`, `"kind":"redraw"`, `"reason":"went home"`} {
		if !strings.Contains(feed, kind) {
			t.Errorf("the feed has no %s", kind)
		}
	}
}

// recompute makes the places of a raffle again from what is public, with SHA-256 and nothing of ours.
func recompute(t *testing.T, w *world, drawn *answer) []string {
	t.Helper()
	var users []string
	list := sha256.New()
	for line := range strings.Lines(string(w.want(200, "GET", rafflePath+"/entrants", "").body)) {
		user := strings.TrimSuffix(strings.TrimPrefix(line, `{"user":"`), "\"}\n")
		users = append(users, user)
		list.Write([]byte(user + "\n"))
	}
	if digest := hex.EncodeToString(list.Sum(nil)); digest != drawn.text("list_digest") {
		t.Errorf("list digest %s, want %s", drawn.text("list_digest"), digest)
	}
	seed, err := hex.DecodeString(drawn.text("seed"))
	if err != nil {
		t.Fatal(err)
	}
	score := func(u string) string { h := sha256.Sum256(append(slices.Clone(seed), u...)); return string(h[:]) }
	slices.SortFunc(users, func(a, b string) int { return strings.Compare(score(a), score(b)) })
	return users
}

// What is wrong with a request is said, line by line, and nothing changes.
func TestRaffleInput(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	for _, tc := range []struct{ lines, pointer string }{
		{"{\"user\":\"u1\"}\n{\"user\":\"u 2\"}\n", "/1/user"},
		{"{\"user\":\"u1\"}\nu2\n", "/1"},
		{"{\"user\":\"u1\",\"weight\":2}\n", "/0"},
		{"{\"user\":7}\n", "/0"},
		{"{\"user\":\"u1\"}\n\n{\"user\":2}\n", "/2"},
		{"\n \n", ""},
	} {
		a := w.refused(problem.InvalidField, "POST", rafflePath+"/entrants", tc.lines, asLines)
		if !strings.Contains(string(a.body), `"pointer":"`+tc.pointer+`"`) || a.text("effect") != "none" {
			t.Errorf("%q: %s", tc.lines, a.body)
		}
	}
	w.refused(problem.UnsupportedMediaType, "POST", rafflePath+"/entrants", `{"user":"u1"}`)
	long := strings.Repeat("u", 120)
	var many strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&many, "{\"user\":\"%s%d\"}\n", long, i)
	}
	w.refused(problem.BodyTooLarge, "POST", rafflePath+"/entrants", many.String(), asLines)
	w.refused(problem.NotFound, "GET", rafflePath, "")
	w.want(200, "POST", rafflePath+"/entrants", entrantLines(0, 5), asLines)
	for _, tc := range []struct{ verb, body, pointer string }{
		{":draw", `{"reason":"x"}`, "/winners"},
		{":draw", `{"winners":0,"reason":"x"}`, "/winners"},
		{":draw", `{"winners":1}`, "/reason"},
		{":draw", `{"winners":1,"alternates":-1,"reason":"x"}`, "/alternates"},
		{":draw", `{"winners":1,"prize":"No","reason":"x"}`, "/prize"},
		{":redraw", `{"reason":"x"}`, "/absent"},
		{":redraw", `{"absent":["a b"],"reason":"x"}`, "/absent/0"},
	} {
		a := w.do("POST", rafflePath+tc.verb, tc.body)
		if a.status != 422 || !strings.Contains(string(a.body), `"pointer":"`+tc.pointer+`"`) {
			t.Errorf("%s: %d %s", tc.body, a.status, a.body)
		}
	}
	w.refused(problem.PrizeNotFound, "POST", rafflePath+":draw", `{"winners":1,"prize":"none","reason":"x"}`)
	w.refused(problem.NotFound, "GET", "/admin/v1/campaigns/flash/raffles/T-V", "")
}
