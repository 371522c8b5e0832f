package engine

// Sections are how forms grow. A form that can grow (of a version, of a campaign's and a namespace's state, of a draw
// command, of a draw record) is a fixed part and then sections: a tag, a length and a body. Tags ascend, none comes
// twice, none is empty: a value has one encoding. A feature that is not used writes no section, so it costs nothing and
// the bytes of a form without it stay what they were. An unknown tag is a fault: a newer drawd wrote it.
//
// Tags are on disk and in the log: they are given out in this file, append-only, one list per form.

// Sections of a version's form.
const (
	versionChances  = 1 // chances: mode, sources, price
	versionSessions = 2 // sessions, channels and their prize sets
	versionRelease  = 3 // release schedules
	versionPity     = 4
	versionMode     = 5  // deck, pace
	versionAmounts  = 6  // amounts and budgets
	versionWays     = 7  // ways out of an unavailable prize, beyond a fallback
	versionAudience = 8  // audience rule, attributes, tickets
	versionCodes    = 9  // prizes that hand out codes
	versionGuard    = 10 // burn guard
	versionAwards   = 11 // how a win is delivered
	versionHelps    = 13 // what a help gives
	versionPools    = 14 // prizes from pools, and wins that are holds
)

// Sections of a campaign's state.
const (
	campaignChances    = 1
	campaignSessions   = 2
	campaignRelease    = 3
	campaignPity       = 4
	campaignMode       = 5
	campaignAmounts    = 6
	campaignAttributes = 7 // rows of the attributes that caps count by
	campaignLists      = 8
	campaignCodes      = 9
	campaignGuard      = 10
	campaignActs       = 11 // sections of its own: the defensive version, awards
	campaignSwitches   = 12
	campaignVoids      = 13
	campaignForced     = 14
	campaignWindows    = 17 // windows of releases that versions keep from taking what was there
	campaignRaffles    = 20
	campaignPlaces     = 21 // units of stock that a raffle gives to each place
	campaignMoments    = 22 // which entries came when: keys remembered before them grow old
)

// Sections of campaignActs.
const (
	actsDefensive = 1
	actsAwards    = 2
)

// Sections of a namespace's state.
const (
	namespacePurses   = 1
	namespacePity     = 4
	namespaceLists    = 8
	namespaceSwitches = 12
	namespacePending  = 14
	namespacePeople   = 15 // who holds keys
	namespaceFatigue  = 17
	namespacePools    = 18
	namespaceHolds    = 19
	namespaceSince    = 20 // since when aggregate caps count
	namespaceForfeits = 21 // units held in pools that are expired unless somebody confirms
)

// Sections of a policy in a command.
const (
	policyApprovals = 1
	policyPurses    = 2
	policyAwards    = 3
	policyFatigue   = 5
)

// Sections of a draw command and of a draw record. Their tags and lengths are one byte each: they are on the hot path.
const (
	drawStamp    = 1 // audience stamp
	drawTicket   = 2
	drawSubjects = 3 // further subjects: attributes that caps count by

	recordSession  = 1
	recordChances  = 2
	recordPity     = 3
	recordAmount   = 4
	recordMode     = 5
	recordAudience = 6
	recordCode     = 7
	recordRelease  = 8
	recordSubjects = 10 // by whom else than the user it was counted
	recordHolds    = 9  // of holds, takes and draws from pools: what they moved
	recordHit      = 11
	recordHelp     = 12
)

// section appends one section of a cold form; nothing when body writes nothing.
func (w *writer) section(tag uint8, body func(*writer)) {
	start := len(w.b)
	w.u8(tag)
	w.u32(0)
	at := len(w.b)
	body(w)
	n := len(w.b) - at
	if n == 0 {
		w.b = w.b[:start]
		return
	}
	w.b[start+1], w.b[start+2], w.b[start+3], w.b[start+4] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
}

// endSections closes sections that something else follows.
func (w *writer) endSections() { w.u8(0) }

// sections reads sections up to the end of the input, or up to endSections where something else follows. read takes the
// body of one tag apart and reports whether it knows the tag.
func (r *reader) sections(more bool, read func(tag uint8, body *reader) bool) {
	last := uint8(0)
	for !r.fail && (more || len(r.b) > 0) {
		tag := r.u8()
		if more && tag == 0 {
			return
		}
		n := r.u32()
		body := reader{b: r.take(int(n))}
		if r.fail || tag <= last || n == 0 || !read(tag, &body) || body.done() != nil {
			r.fail = true
			return
		}
		last = tag
	}
}

// nextSection takes one section of a hot form off b.
func nextSection(b []byte) (tag uint8, body, rest []byte, ok bool) {
	if len(b) < 3 || b[0] == 0 || b[1] == 0 || len(b)-2 < int(b[1]) {
		return 0, nil, nil, false
	}
	end := 2 + int(b[1])
	return b[0], b[2:end:end], b[end:], true
}

// sectionsOrdered reports whether b is nothing but sections of a hot form, in order.
func sectionsOrdered(b []byte) bool {
	for last := uint8(0); len(b) > 0; {
		tag, _, rest, ok := nextSection(b)
		if !ok || tag <= last {
			return false
		}
		last, b = tag, rest
	}
	return true
}

// sectionsValid reports whether the sections of a draw's record are known, in order and sound.
func (r *Record) sectionsValid() bool {
	for last, b := uint8(0), r.Sections; len(b) > 0; {
		tag, body, rest, ok := nextSection(b)
		if !ok || tag <= last {
			return false
		}
		switch tag {
		case recordSession:
			ok = r.readSession(body)
		case recordChances:
			ok = r.soundChances(body)
		case recordPity:
			var m PityMoves
			ok = m.decode(body)
		case recordAmount:
			ok = r.readAmounts(body)
		case recordMode:
			ok = r.readMode(body)
		case recordAudience:
			ok = len(body) == auditBytes
		case recordCode:
			ok = soundCodes(body)
		case recordSubjects:
			ok = soundSubjects(body)
		case recordHolds:
			var m HoldMoves
			ok = m.decode(body)
		case recordHelp:
			ok = r.Kind == RecordHelp && new(HelpNote).decode(body)
		case recordHit:
			ok = r.Kind == RecordHit && new(HitNote).decode(body)
		default: // a newer drawd wrote it
			ok = false
		}
		if !ok {
			return false
		}
		last, b = tag, rest
	}
	return true
}
