package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
)

// A list goes in parts that the daemon takes, whatever ids there are, and a failure says what to do.
func TestEntrantsGoInParts(t *testing.T) {
	var parts []int
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/admin/v1/campaigns/c/raffles/tv/entrants" || r.Header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%s %v", r.URL.Path, err)
		}
		n := strings.Count(string(body), "\n")
		if parts = append(parts, n); len(parts) == 4 {
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"code":"conflict","effect":"none"}`)
			return
		}
		fmt.Fprintf(w, `{"campaign":"c","raffle":"tv","added":%d,"entrants":%d}`, n-1, 100*len(parts))
	}))
	defer s.Close()
	a := &app{stderr: io.Discard}
	k := &client{base: s.URL, flag: "admin-url", timeout: 10 * time.Second}
	in := strings.Repeat("{\"user\":\"u\"}\n", 2*raffleLines+5)
	added, entrants, err := a.importEntrants(context.Background(), k, "/admin/v1/campaigns/c/raffles/tv/entrants", strings.NewReader(in))
	if err != nil || added != 2*raffleLines+2 || entrants != 300 || len(parts) != 3 || parts[2] != 5 {
		t.Errorf("%d, %d, %v: %v", added, entrants, parts, err)
	}
	_, _, err = a.importEntrants(context.Background(), k, "/admin/v1/campaigns/c/raffles/tv/entrants", strings.NewReader(in))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("lines 1 to %d", raffleLines)) || !strings.Contains(err.Error(), "nobody is on the list twice") {
		t.Error(err)
	}
}

// A published raffle is checked offline: another list, another winner, another order are found.
func TestRaffleCheck(t *testing.T) {
	f := engine.Raffle{Entrants: []string{"a", "b", "c", "d", "e"}}
	digest, seed := f.Digest(), [32]byte{9}
	places := engine.RafflePlaces(seed, f.Entrants)
	list := "{\"user\":\"c\"}\n{\"user\":\"a\"}\n{\"user\":\"e\"}\n{\"user\":\"b\"}\n{\"user\":\"d\"}\n{\"user\":\"a\"}\n"
	published := func() *raffleReply {
		return &raffleReply{
			Drawn: true, ListDigest: fmt.Sprintf("%x", digest), Seed: fmt.Sprintf("%x", seed),
			Winners: []string{places[0], places[2]}, Alternates: []string{places[3]}, Absent: []string{places[1]},
		}
	}
	if err := published().check(strings.NewReader(list)); err != nil {
		t.Error(err)
	}
	for want, spoil := range map[string]func(r *raffleReply, list *string){
		"another list":    func(_ *raffleReply, list *string) { *list += "{\"user\":\"f\"}\n" },
		"line 7":          func(_ *raffleReply, list *string) { *list += "u\n" },
		"place 2":         func(r *raffleReply, _ *string) { r.Winners[1] = places[4] },
		"place 1":         func(r *raffleReply, _ *string) { r.Winners[0], r.Winners[1] = r.Winners[1], r.Winners[0] },
		"place 3":         func(r *raffleReply, _ *string) { r.Alternates[0] = places[1] },
		"seed is damaged": func(r *raffleReply, _ *string) { r.Seed = r.Seed[2:] },
		"not drawn, or":   func(r *raffleReply, _ *string) { r.Drawn = false },
	} {
		r, l := published(), list
		spoil(r, &l)
		if err := r.check(strings.NewReader(l)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
