package control

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/render"
)

// A draft is the document "draft/<campaign>": one line that names the form and the media type, then the file as it was
// sent. The line is on disk.
const (
	draftPrefix = "draft/"
	draftForm   = "drawd-draft 1 "
	// maxDraftBytes leaves room for the line.
	maxDraftBytes = engine.MaxDocumentBytes - 64
)

// draft is a saved draft.
type draft struct {
	revision uint64
	kind     string // media type
	source   []byte
}

func encodeDraft(kind string, source []byte) []byte {
	return append([]byte(draftForm+kind+"\n"), source...)
}

func (x *exchange) draft() (draft, bool, *render.Problem) {
	d, found := x.plane.Engine.Document(x.grant.Namespace.Ref(), draftPrefix+x.params.campaign)
	if !found {
		return draft{}, false, nil
	}
	line, source, _ := bytes.Cut(d.Body, []byte("\n"))
	kind, ok := bytes.CutPrefix(line, []byte(draftForm))
	if !ok {
		return draft{}, false, refusal(problem.Conflict, "The draft was saved by a newer version of drawd.")
	}
	return draft{revision: d.Revision, kind: string(kind), source: source}, true, nil
}

// savedDraft returns the draft, or the refusal that there is none.
func (x *exchange) savedDraft() (draft, *render.Problem) {
	d, found, refused := x.draft()
	if refused == nil && !found {
		refused = refusal(problem.NotFound, "There is no draft of this campaign: PUT it first.")
	}
	return d, refused
}

// etag is the entity tag of a revision.
func etag(revision uint64) string { return `"` + strconv.FormatUint(revision, 10) + `"` }

// matches reports whether a list of entity tags (RFC 9110 §13.1) names the revision. "*" names whatever is there. weak
// takes weak tags too.
func matches(list string, revision uint64, anything, weak bool) bool {
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.TrimSpace(tag)
		if weak {
			tag = strings.TrimPrefix(tag, "W/")
		}
		if tag == "*" && anything || tag == etag(revision) {
			return true
		}
	}
	return false
}

// unchanged answers 304 when the caller has this revision already.
func (x *exchange) unchanged(revision uint64) bool {
	x.Header().Set("ETag", etag(revision))
	list := x.request.Header.Get("If-None-Match")
	if list == "" || !matches(list, revision, true, true) {
		return false
	}
	x.WriteHeader(http.StatusNotModified)
	return true
}

// precondition checks If-Match and If-None-Match of a change against what is there: its revision, 0 before the first
// change, and whether it can be read at all.
func (x *exchange) precondition(revision uint64, exists bool) *render.Problem {
	match, none := x.request.Header.Get("If-Match"), x.request.Header.Get("If-None-Match")
	switch {
	case match == "" && none == "":
		return refusal(problem.PreconditionRequired, `Send If-Match with the ETag that you read, or "If-None-Match: *" to write the first one.`)
	case match != "" && !(exists && matches(match, revision, true, false)),
		none != "" && exists && matches(none, revision, revision != 0, true):
		return x.versionConflict(revision)
	}
	return nil
}

func (x *exchange) versionConflict(revision uint64) *render.Problem {
	if revision == 0 {
		return refusal(problem.VersionConflict, "Nothing was written here yet.")
	}
	return refusal(problem.VersionConflict, "The current ETag is "+etag(revision)+": read it again.")
}

// mask makes a draft one for eyes that may not see shared codes: its canonical form with the codes masked. One that cannot
// be read as a campaign may hold them anywhere.
func (d *draft) mask() *render.Problem {
	file, faults := campaignfile.Parse(d.source)
	switch {
	case len(faults) > 0 && (bytes.Contains(d.source, []byte("shared")) || bytes.Contains(d.source, []byte(`\`))):
		return refusal(problem.Forbidden, "The draft has faults, so its codes cannot be masked: only the scope admin sees it.")
	case len(faults) > 0 || !slices.ContainsFunc(file.Version.Codes, func(c engine.PrizeCodes) bool { return c.Shared != "" }):
		return nil
	}
	d.kind, d.source = typeJSON, campaignfile.Mask(file.Version)
	return nil
}

// fileOf returns a version's campaign file as the asker may see it: without the scope admin shared codes are masked.
func (x *exchange) fileOf(v *engine.Version) json.RawMessage {
	if x.grant.Has(access.ScopeAdmin) {
		return json.RawMessage(v.Document)
	}
	return json.RawMessage(campaignfile.Mask(v))
}

func (p *Plane) getDraft(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	d, refused := x.savedDraft()
	if refused != nil {
		return refused
	}
	if !x.grant.Has(access.ScopeAdmin) {
		if refused := d.mask(); refused != nil {
			return refused
		}
	}
	if !x.unchanged(d.revision) {
		x.answerBytes(http.StatusOK, d.kind, d.source)
	}
	return nil
}

func (p *Plane) putDraft(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	source, kind, refused := x.readFile()
	if refused != nil {
		return refused
	}
	if len(source) > maxDraftBytes {
		return refusal(problem.BodyTooLarge, "A campaign file has at most "+itoa(maxDraftBytes)+" bytes.")
	}
	if _, faults := campaignfile.Parse(source); unreadable(faults) {
		return invalidCampaign(faults)
	}
	old, _, refused := x.draft()
	if refused != nil {
		return refused
	}
	if refused := x.precondition(old.revision, old.revision != 0); refused != nil {
		return refused
	}
	var b engine.Batch
	b.AddDocument(&engine.PutDocument{
		Namespace: x.grant.Namespace.Ref(), Name: draftPrefix + x.params.campaign, Expect: old.revision,
		Body: encodeDraft(kind, source), Actor: x.grant.Actor(),
	})
	r, refused := x.decide(&b)
	if refused != nil {
		if refused.Code == problem.VersionConflict {
			return x.versionConflict(r.Value)
		}
		return refused
	}
	x.Header().Set("ETag", etag(r.Value))
	status := http.StatusOK
	if old.revision == 0 {
		status = http.StatusCreated
	}
	return x.answer(status, struct {
		Campaign string `json:"campaign"`
		ETag     string `json:"etag"`
	}{x.params.campaign, etag(r.Value)})
}

// unreadable reports whether a file cannot be read at all. Such a draft is not even saved.
func unreadable(faults []campaignfile.Fault) bool {
	for _, f := range faults {
		if f.Code == problem.BadJSON {
			return true
		}
	}
	return false
}
