package drawd

import (
	"context"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
)

// ImportCodes adds codes to a prize that hands out unique ones (codes: unique), and as many units. They are sealed before anything is
// decided; a code that the prize ever had is not added again, so the same import may be repeated, also after ErrUnknownOutcome. added
// is how many were new.
func (c *Campaign) ImportCodes(ctx context.Context, prize string, codes ...string) (added int, err error) {
	for i, code := range codes {
		if !engine.ValidCode(code) {
			return 0, invalid("code %d of %d: a code is 1 to %d visible ASCII characters", i+1, len(codes), engine.MaxCodeBytes)
		}
	}
	if !names.ID(prize) {
		return 0, &Error{Code: problem.PrizeNotFound, Campaign: c.ID()}
	}
	sealer := engine.NewCodeSealer(c.db.key)
	for len(codes) > 0 {
		part := codes[:min(len(codes), engine.MaxImportCodes)]
		codes = codes[len(part):]
		n, err := c.importCodes(ctx, sealer, prize, part)
		if added += n; err != nil {
			if e, ok := err.(*Error); ok && added > 0 && e.Effect() == problem.None {
				e.Detail, e.Code, e.cause = "it stopped behind the first codes: import all of them again", problem.UnknownOutcome, &Error{Code: e.Code, Detail: e.Detail}
			}
			return added, said(err, map[problem.Code]string{
				problem.Conflict: "the prize of the live version hands out no unique codes: publish it with codes: unique first",
			})
		}
	}
	return added, nil
}

func (c *Campaign) importCodes(ctx context.Context, sealer *engine.CodeSealer, prize string, codes []string) (added int, err error) {
	command := engine.ImportCodes{Campaign: c.c.Ref(), Prize: prize, Actor: c.db.options.Actor}
	for _, code := range codes {
		var nonce [12]byte
		if err := c.db.read(nonce[:]); err != nil {
			return 0, err
		}
		command.Codes = append(command.Codes, sealer.Seal(c.ID(), prize, nonce, []byte(code)))
	}
	k := c.db.begin()
	defer c.db.end(k)
	k.batch.AddImport(&command)
	r, err := c.db.one(ctx, k, c.ID(), "", "")
	if err != nil {
		return 0, err
	}
	return int(r.Value), nil
}

// Codes returns how many codes a prize was given, and how many of them can still be won; false for a prize that never handed out
// unique codes.
func (c *Campaign) Codes(prize string) (imported, left int, ok bool) {
	imported, left, _, ok = c.c.CodeStock(prize)
	return imported, left, ok
}
