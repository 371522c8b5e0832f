package engine

import (
	"errors"
	"fmt"
)

// What stands in the log must be applied by every node, for ever: a command that Apply refuses as damaged stops all of them,
// and again after each start. So whoever proposes asks first. The check is Apply's own decoder, run dry, so that the two
// cannot come apart: hot commands have one parser, and the others go the way of applyRare up to the point where a reader
// says that everything was read and is within its bounds. There a dry reader says errSound, and nothing behind it runs.

// errSound is what a dry reader says where another one says nil.
var errSound = errors.New("engine: the command is sound")

// CheckCommands reports whether Apply would take these commands, as Batch.Commands has them: nil, or what Apply would stop
// with. It looks at no state that entries change but the feature level, which only rises: what it takes, Apply takes, wherever
// in the log it comes to stand. Any number of goroutines may call it; for draws it does not allocate.
func (e *Engine) CheckCommands(commands []byte, count int) error {
	var d Draw
	for n := range count {
		o, body, rest, err := nextCommand(commands)
		if err == nil && o == opDraw {
			err = parseDraw(body, &d)
		} else if err == nil {
			err = e.checkCommand(o, body)
		}
		if err != nil {
			return fmt.Errorf("command %d: %w", n, err)
		}
		commands = rest
	}
	if len(commands) != 0 {
		return fmt.Errorf("%w: %d bytes after the last command", ErrDamagedEntry, len(commands))
	}
	return nil
}

// checkCommand checks anything but a draw.
func (e *Engine) checkCommand(o op, body []byte) (err error) {
	if err := e.mayApply(o); err != nil {
		return err
	}
	r := &reader{b: body}
	switch o {
	case opRaise:
		if c := r.raise(); r.done() == nil {
			err = e.supports(c.Level)
		}
		if err != nil {
			return err
		}
	case opHit:
		return parseHit(body, new(Hit))
	case opHelp:
		return parseHelp(body, new(Help))
	case opGrant:
		r.grant()
	case opRevoke:
		r.revoke()
	case opHold:
		r.hold()
	case opTake:
		r.takeUnits()
	case opConfirm:
		r.confirmHold()
	case opRelease:
		r.releaseHold()
	case opExtend:
		r.extendHold()
	case opPublish, opPublishFrom, opPublishAt, opPublishAtFrom:
		c, _, _ := r.publishing(o)
		if r.done() == nil {
			_, err = e.openSeed(c.SealedSeed) // a node that cannot open it stops: none must be asked to
		}
	default:
		r.dry = true
		// Nobody's tx: were anything behind the reader reached, it would end here and not in somebody's state.
		if _, err := (*tx)(nil).applyRare(o, r); !errors.Is(err, errSound) {
			return err
		}
		return nil
	}
	if err == nil {
		err = r.done()
	}
	if err != nil {
		return fmt.Errorf("%w: operation %d: %w", ErrDamagedEntry, o, err)
	}
	return nil
}
