package join

import (
	"strings"
	"testing"
	"time"
)

// What nodes of different versions say to each other, and what stands on disks, is written out here: it only ever grows.
func TestForms(t *testing.T) {
	n1, n2 := Seat{"n1", "10.0.0.1:7072", "00ff"}, Seat{"n2", "10.0.0.2:7072", "11ee"}
	at := time.UnixMilli(1795000000000)
	for name, c := range map[string]struct {
		v    any
		want string
	}{
		"founder":  {hello{Format: format, Want: wantFound, Seat: n1, Expect: 2, Promised: []Seat{n1, n2}}, `{"format":1,"want":"found","node":"n1","address":"10.0.0.1:7072","disk":"00ff","expect":2,"promised":[{"node":"n1","address":"10.0.0.1:7072","disk":"00ff"},{"node":"n2","address":"10.0.0.2:7072","disk":"11ee"}]}`},
		"joiner":   {hello{Format: format, Want: wantJoin, Seat: n2, Token: "dj_x", Edge: true}, `{"format":1,"want":"join","node":"n2","address":"10.0.0.2:7072","disk":"11ee","token":"dj_x","edge":true}`},
		"welcome":  {welcome{Format: format, Seat: n1, Running: true, Key: []byte{1, 2, 3}}, `{"format":1,"node":"n1","address":"10.0.0.1:7072","disk":"00ff","running":true,"key":"AQID"}`},
		"past":     {past{Format: format, Node: "n1", Disk: "00ff", Phase: promised, Founders: []Seat{n1}}, `{"format":1,"node":"n1","disk":"00ff","phase":"promised","founders":[{"node":"n1","address":"10.0.0.1:7072","disk":"00ff"}]}`},
		"phases":   {[]phase{willing, promised, founded, joined}, `["willing","promised","founded","joined"]`},
		"token":    {storedToken{Format: format, Hash: "ab", Node: "n4", Edge: true, CreatedMS: at.UnixMilli(), ExpiresMS: at.UnixMilli() + 1, UsedBy: "n4"}, `{"format":1,"sha256":"ab","node":"n4","edge":true,"created_ms":1795000000000,"expires_ms":1795000000001,"used_by":"n4"}`},
		"standing": {standing{Format: format, Edge: true, Disk: "11ee", JoinedMS: 1, RemovedMS: 2}, `{"format":1,"edge":true,"disk":"11ee","joined_ms":1,"removed_ms":2}`},
	} {
		if got := string(encode(c.v)); got != c.want {
			t.Errorf("%s is\n%s\nit was\n%s", name, got, c.want)
		}
	}
	if tokenDocument != "join-token/" || memberDocument != "member/" || FileName != "cluster.json" {
		t.Error("a name on disk has changed")
	}
	token, secret, err := newToken(strings.NewReader(strings.Repeat("x", 40)))
	if err != nil || secret != "dj_pb4hq6dypb4hq6dypb4hq6dypb4hq6dypb4hq6dypb4hq6dypb4a" || !validTokenID(token.ID) {
		t.Errorf("%q, %+v, %v", secret, token, err)
	}
	token.CreatedAt, token.ExpiresAt, token.Node = at.UTC(), at.UTC(), "n4"
	if again, err := decodeToken(token.ID, token.encode()); err != nil || *again != *token {
		t.Errorf("%+v, %v", again, err)
	}
}

// FuzzMessages: whatever a node says, the other side refuses it or can say it again.
func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"format":1,"want":"found","node":"n1","address":"a:1","disk":"00"}`))
	f.Add([]byte(`{"format":1,"node":"n1","address":"a:1","running":true,"key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := decodeHello("n1", b); err == nil {
			if again, err := decodeHello("n1", encode(h)); err != nil || again.Seat != h.Seat {
				t.Errorf("%+v, %v", again, err)
			}
		}
		if w, err := decodeWelcome(b); err == nil && len(w.Key) != 0 && len(w.Key) != keyBytes {
			t.Error("a key of another length")
		}
	})
}
