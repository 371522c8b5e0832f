package control

import (
	"bytes"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

const draftPath = "/admin/v1/campaigns/flash/draft"

// TestDraftRevisions: nobody overwrites what he did not read.
func TestDraftRevisions(t *testing.T) {
	w := newWorld(t)
	w.refused(problem.NotFound, "GET", draftPath, "")
	w.refused(problem.PreconditionRequired, "PUT", draftPath, flashFile)
	w.refused(problem.VersionConflict, "PUT", draftPath, flashFile, `If-Match: "1"`)
	w.refused(problem.VersionConflict, "PUT", draftPath, flashFile, `If-Match: "0"`)
	w.refused(problem.VersionConflict, "PUT", draftPath, flashFile, `If-Match: *`)

	first := w.want(201, "PUT", draftPath, flashFile, "If-None-Match: *")
	tag := first.header.Get("ETag")
	if first.text("etag") != tag || first.text("campaign") != "flash" {
		t.Errorf("answer %s, ETag %s", first.body, tag)
	}
	w.refused(problem.VersionConflict, "PUT", draftPath, flashFile, "If-None-Match: *")
	w.refused(problem.VersionConflict, "PUT", draftPath, flashFile, "If-None-Match: "+tag)
	w.refused(problem.VersionConflict, "PUT", draftPath, flashFile, "If-Match: W/"+tag)

	got := w.want(200, "GET", draftPath, "")
	if string(got.body) != flashFile || got.header.Get("ETag") != tag || got.header.Get("Content-Type") != typeYAML {
		t.Errorf("not what was saved: %s %s\n%s", got.header.Get("ETag"), got.header.Get("Content-Type"), got.body)
	}
	if a := w.want(304, "GET", draftPath, "", "If-None-Match: W/"+tag); len(a.body) != 0 || a.header.Get("ETag") != tag {
		t.Errorf("304 with %q and ETag %s", a.body, a.header.Get("ETag"))
	}
	w.want(200, "GET", draftPath, "", `If-None-Match: "none"`)

	second := w.want(200, "PUT", draftPath, `{"campaign":"flash"}`, `If-Match: "none", `+tag).header.Get("ETag")
	if second == tag {
		t.Error("the ETag did not change")
	}
	w.refused(problem.VersionConflict, "PUT", draftPath, flashFile, "If-Match: "+tag)
	if a := w.want(200, "GET", draftPath, ""); a.header.Get("Content-Type") != typeJSON || string(a.body) != `{"campaign":"flash"}` {
		t.Errorf("%s: %s", a.header.Get("Content-Type"), a.body)
	}
	w.want(200, "PUT", draftPath, flashFile, "If-Match: *")
}

// TestDraftRace: the revision is compared once more where the entry is applied.
func TestDraftRace(t *testing.T) {
	w := newWorld(t)
	tag := w.saveDraft("flash", flashFile)
	ns, _ := w.engine.Namespace("default")
	won := false
	w.plane.Decider = deciderFunc(func(b *engine.Batch) error {
		if !won {
			won = true // somebody else is faster, between this request's look and its entry
			w.decide(func(b *engine.Batch) {
				b.AddDocument(&engine.PutDocument{Namespace: ns.Ref(), Name: "draft/flash", Expect: engine.AnyRevision, Body: encodeDraft(typeYAML, []byte("campaign: theirs"))})
			})
		}
		return w.Decide(b)
	})
	w.refused(problem.VersionConflict, "PUT", draftPath, flashFile, "If-Match: "+tag)
	if a := w.want(200, "GET", draftPath, ""); string(a.body) != "campaign: theirs" {
		t.Errorf("overwritten by %s", a.body)
	}
}

type deciderFunc func(*engine.Batch) error

func (f deciderFunc) Decide(b *engine.Batch) error { return f(b) }

// TestDraftThatCannotBeRead: faults may be saved, garbage may not.
func TestDraftThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.want(201, "PUT", draftPath, "campaign: flash\nunknown: 1\n", "If-None-Match: *")
	w.refused(problem.InvalidCampaign, "PUT", draftPath, "campaign: [", "If-Match: *")
	w.refused(problem.BadJSON, "PUT", draftPath, `{"campaign":"flash","campaign":"flash"}`, "If-Match: *")
	w.refused(problem.BadJSON, "PUT", draftPath, `{"campaign":`, "If-Match: *")
	w.refused(problem.BodyTooLarge, "PUT", draftPath, "# "+strings.Repeat("x", engine.MaxDocumentBytes)+"\ncampaign: flash", "If-Match: *")
}

// TestDraftForm is golden: the line before the file is on disk.
func TestDraftForm(t *testing.T) {
	if got := string(encodeDraft(typeYAML, []byte("campaign: x\n"))); got != "drawd-draft 1 application/yaml\ncampaign: x\n" {
		t.Errorf("got %q", got)
	}
	w := newWorld(t)
	ns, _ := w.engine.Namespace("default")
	w.decide(func(b *engine.Batch) {
		b.AddDocument(&engine.PutDocument{Namespace: ns.Ref(), Name: "draft/flash", Body: []byte("drawd-draft 2 ?\n")})
	})
	w.refused(problem.Conflict, "GET", draftPath, "")
	if !bytes.Contains(w.refused(problem.Conflict, "PUT", draftPath, flashFile, "If-Match: *").body, []byte("newer version")) {
		t.Error("does not say why")
	}
}
