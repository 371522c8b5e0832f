package control

import (
	"crypto/rand"
	"fmt"
	"net/http"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// typeText is one code a line.
const typeText = "text/plain"

// importReport says what became of the lines of an import.
type importReport struct {
	Campaign   string      `json:"campaign"`
	Prize      string      `json:"prize"`
	Lines      int         `json:"lines"`
	Added      int         `json:"added"`
	Duplicates int         `json:"duplicates"` // codes that the prize has or had
	Left       int         `json:"left"`       // codes that can be won now
	Errors     []bulkError `json:"errors"`     // lines that are no codes; then nothing was imported
}

// importCodes answers POST /admin/v1/campaigns/{campaign}/prizes/{prize}/codes:import. Codes are sealed here, before they
// are proposed: nothing behind this handler sees one in the clear.
func (p *Plane) importCodes(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	body, kind, refused := x.readBody(typeText, typeLines)
	if refused != nil {
		return refused
	}
	c, refused := x.campaign()
	if refused != nil {
		return refused
	}
	report := importReport{Campaign: c.ID(), Prize: x.params.prize, Errors: []bulkError{}}
	codes := report.read(body, kind == typeLines)
	if len(report.Errors) > 0 {
		refused := refusal(problem.InvalidField, "Some lines are no codes; nothing was imported.")
		for _, e := range report.Errors {
			refused.Errors = append(refused.Errors, render.FieldError{Pointer: e.Pointer, Code: e.Code, Message: fmt.Sprintf("line %d: %s", e.Line, e.Message)})
		}
		return refused
	}
	if len(codes) == 0 {
		return invalid("", "required", "There is no code in the body.")
	}
	sealer := engine.NewCodeSealer(p.ClusterKey)
	for len(codes) > 0 {
		part := codes[:min(len(codes), engine.MaxImportCodes)]
		codes = codes[len(part):]
		command := engine.ImportCodes{Campaign: c.Ref(), Prize: x.params.prize, Actor: x.grant.Actor()}
		for _, code := range part {
			var nonce [12]byte
			rand.Read(nonce[:]) // never fails: the process ends when the system has no randomness
			command.Codes = append(command.Codes, sealer.Seal(c.ID(), x.params.prize, nonce, code))
		}
		var b engine.Batch
		b.AddImport(&command)
		r, refused := x.decide(&b)
		if refused != nil {
			return explainImport(refused, report.Added)
		}
		report.Added += int(r.Value)
		report.Duplicates += len(part) - int(r.Value)
	}
	_, report.Left, _, _ = c.CodeStock(x.params.prize)
	return x.answer(http.StatusOK, &report)
}

// explainImport says what to do when the log did not take an import to its end.
func explainImport(refused *render.Problem, added int) *render.Problem {
	if added > 0 { // before anything else: the effect is no longer none
		return refusal(problem.UnknownOutcome, fmt.Sprintf("It stopped after %d codes (%s). Send all of it again: no code is imported twice.", added, refused.Code))
	}
	if refused.Code == problem.Conflict {
		refused.Detail = "The prize of the live version hands out no unique codes: publish it with codes: unique first."
	}
	return refused
}

// read returns the codes, one a line; of NDJSON {"code":"…"} a line.
func (report *importReport) read(body []byte, objects bool) (codes [][]byte) {
	for n, line := range lines(body) {
		report.Lines++
		code := string(line)
		if objects {
			v, err := parseJSON(line)
			o, ok := v.(object)
			if err != nil || !ok {
				report.fault(n, "bad_json", "is no JSON object")
				continue
			}
			f := newFields(o)
			code = f.text("code", 1, engine.MaxCodeBytes)
			if refused := f.done(); refused != nil {
				report.fault(n, refused.Errors[0].Code, refused.Errors[0].Message)
				continue
			}
		}
		if !engine.ValidCode(code) {
			report.fault(n, "pattern", fmt.Sprintf("a code is 1 to %d visible ASCII characters", engine.MaxCodeBytes))
			continue
		}
		codes = append(codes, []byte(code))
	}
	return codes
}

// fault notes a line that is no code. It never repeats the line: that may be a code with a slip in it.
func (report *importReport) fault(line int, code, message string) {
	if len(report.Errors) < maxBulkRefused {
		report.Errors = append(report.Errors, bulkError{Line: line, Code: code, Message: message})
	}
}

// getCodes answers GET /admin/v1/campaigns/{campaign}/prizes/{prize}/codes: how many, never which.
func (p *Plane) getCodes(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	c, refused := x.campaign()
	if refused != nil {
		return refused
	}
	imported, left, low, ok := c.CodeStock(x.params.prize)
	if !ok {
		return refusal(problem.NotFound, "The prize never handed out unique codes.")
	}
	return x.answer(http.StatusOK, struct {
		Campaign string `json:"campaign"`
		Prize    string `json:"prize"`
		Imported int    `json:"imported"`
		Left     int    `json:"left"`
		Low      bool   `json:"low"`
	}{c.ID(), x.params.prize, imported, left, low})
}
