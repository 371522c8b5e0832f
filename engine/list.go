package engine

import (
	"encoding/binary"

	"github.com/drawd/drawd/engine/internal/pages"
	"github.com/drawd/drawd/engine/problem"
	"github.com/zeebo/xxh3"
)

// ListKind says which list a user stands on. Numbers are on disk.
type ListKind uint8

// The lists. A namespace has both, and so has each campaign. Deny goes before allow, wherever either stands.
const (
	ListDeny ListKind = 1 + iota
	ListAllow
)

// String returns the wire name of k.
func (k ListKind) String() string { return [...]string{"none", "deny", "allow"}[k] }

// Treatment is how a denied user is treated. Numbers are on disk.
type Treatment uint8

// The treatments.
const (
	Block    Treatment = iota // his draws are refused
	Restrict                  // he plays on, and valuable prizes become a miss
)

// String returns the wire name of t.
func (t Treatment) String() string { return [...]string{"blocked", "restricted"}[t] }

// ListEntry is one user on a list.
type ListEntry struct {
	User      Key // Keyer.User of UserID
	UserID    []byte
	Treatment Treatment // of ListDeny
	ExpiresAt UnixMilli // by log time; 0 for never
	Reason    []byte
}

// PutList puts users on a list, changes how they stand there, or takes them off. Repeating it changes nothing.
type PutList struct {
	Namespace NamespaceRef
	Campaign  CampaignRef // 0: the namespace's own list
	List      ListKind
	Remove    bool
	Entries   []ListEntry
	Actor     string
}

// lists are the lists of one owner. They are rows under the users' keys, so a draw finds them under the lock it holds.
type lists struct {
	table *rowTable // nil until somebody was ever listed
	// digest covers every change ever made, in order. A record carries it: the lists that decided can be told.
	digest uint64
}

// A row of the lists. A flag says that the entry is there; expiry 0 is never.
const (
	listFlags    = 0                        // u8: 1 denied, 2 restricted, 4 allowed
	listDeny     = 1                        // u48 expiry, then where its record stands
	listAllow    = listDeny + listEntryRow  // the same
	listRow      = listAllow + listEntryRow // bytes of a row
	listAt       = 6
	listEntryRow = listAt + locationBytes

	listedDeny       = 1
	listedRestricted = 2
	listedAllow      = 4
)

// standing is what the lists say of a user at a moment.
type standing struct {
	any        bool // there are lists at all
	blocked    bool
	restricted bool
	allowed    bool
}

// standing looks a draw's user up. A reader takes an entry for live that lives for all that the log will see.
func (t *tx) standing(d *Draw, c *Campaign, s sight) (x standing) {
	if c.lists.table == nil && c.namespace.lists.table == nil {
		return x
	}
	x.any = true
	for _, l := range [...]*lists{&c.namespace.lists, &c.lists} {
		row := l.find(t.world, &d.User)
		if row == nil {
			continue
		}
		flags := row[listFlags]
		if flags&listedDeny != 0 && lives(row[listDeny:], s.now+s.margin) {
			x.restricted = x.restricted || flags&listedRestricted != 0
			x.blocked = x.blocked || flags&listedRestricted == 0
		}
		if flags&listedAllow != 0 && lives(row[listAllow:], s.logTime) {
			x.allowed = true
		}
	}
	return x
}

func lives(entry []byte, now UnixMilli) bool {
	expires := UnixMilli(getU48(entry))
	return expires == 0 || now < expires
}

// find returns the row of a user, nil when he is on no list. His shard is locked.
func (l *lists) find(w *world, user *Key) []byte {
	if l.table == nil {
		return nil
	}
	part := l.table.parts[w.shardOf(user)]
	if row, ok := part.Find((*pages.Key)(user)); ok {
		return part.Payload(row)
	}
	return nil
}

// digests joins the digests of both owners for a record.
func digests(n, c *lists) uint64 { return n.digest ^ c.digest*0x9E3779B97F4A7C15 }

// owner returns the lists that a command is about, and the id under which their table is made.
func (w *world) lists(c *PutList) (l *lists, table uint32, ok bool) {
	if c.Campaign != 0 {
		a := w.campaign(c.Campaign)
		if a == nil {
			return nil, 0, false
		}
		return &a.lists, uint32(a.ref)<<3 | tableLists, true
	}
	n := w.namespace(c.Namespace)
	if n == nil {
		return nil, 0, false
	}
	return &n.lists, ofNamespace | uint32(n.ref)<<3 | tableLists, true
}

// applyList changes a list: one record for each user whose entry changed. Every shard is locked.
func (t *tx) applyList(c *PutList) Result {
	l, table, ok := t.world.lists(c)
	switch {
	case !ok && c.Campaign != 0:
		return refuse(problem.CampaignNotFound)
	case !ok:
		return refuse(problem.NamespaceNotFound)
	}
	if !c.Remove && l.room(c, t.world) < 0 {
		return Result{Code: problem.Capacity, Campaign: c.Campaign}
	}
	if l.table == nil {
		if c.Remove || len(c.Entries) == 0 {
			return Result{Campaign: c.Campaign, AlreadyLive: true}
		}
		l.table = t.world.newRowTable(table, subjectKeyBytes, listRow)
	}
	r := Result{Campaign: c.Campaign, Offset: uint32(len(t.out.records))}
	at, changed := t.at, 0
	for i := range c.Entries {
		e := &c.Entries[i]
		if l.change(t, c, e) {
			t.noteList(c, e)
			changed++
		}
	}
	r.Value, r.AlreadyLive = uint64(changed), changed == 0
	if changed > 0 {
		r.At, r.Records, r.Length = at, uint8(min(changed, 255)), uint32(len(t.out.records))-r.Offset
	}
	return r
}

// room returns how many more users fit once the command's are on the list.
func (l *lists) room(c *PutList, w *world) int {
	room := MaxListed
	if l.table != nil {
		room -= int(l.table.rows())
	}
	for i := range c.Entries {
		if l.find(w, &c.Entries[i].User) == nil {
			room--
		}
	}
	return room
}

// change carries one entry out and reports whether anything changed.
func (l *lists) change(t *tx, c *PutList, e *ListEntry) bool {
	row := l.find(t.world, &e.User)
	if row == nil && c.Remove {
		return false
	}
	at, flag, mask := listDeny, byte(listedDeny), byte(listedDeny|listedRestricted)
	if c.List == ListAllow {
		at, flag, mask = listAllow, listedAllow, listedAllow
	} else if e.Treatment == Restrict {
		flag |= listedRestricted
	}
	if c.Remove {
		flag = 0
	}
	if row != nil && row[listFlags]&mask == flag && (c.Remove || UnixMilli(getU48(row[at:])) == e.ExpiresAt) {
		return false
	}
	part := l.table.parts[t.world.shardOf(&e.User)]
	if row == nil {
		row = part.Mutable(part.Insert((*pages.Key)(&e.User)))
	} else {
		at, _ := part.Find((*pages.Key)(&e.User))
		row = part.Mutable(at)
	}
	row[listFlags] = row[listFlags]&^mask | flag
	expires, place := uint64(e.ExpiresAt), t.at
	if c.Remove {
		expires, place = 0, Location{}
	}
	putU48(row[at:], expires)
	putLocation(row[at+listAt:], place)
	var b [8 + 16 + 1 + 8]byte
	binary.LittleEndian.PutUint64(b[:], l.digest)
	copy(b[8:], e.User[:])
	b[24] = byte(c.List)<<4 | flag
	binary.LittleEndian.PutUint64(b[25:], expires)
	l.digest = xxh3.Hash(b[:])
	return true
}

// noteList writes the record of one changed entry.
func (t *tx) noteList(c *PutList, e *ListEntry) {
	rec := Record{
		Kind: RecordList, Campaign: c.Campaign, Name: e.UserID, Actor: []byte(c.Actor), Reason: e.Reason, Delta: int64(e.ExpiresAt),
		Flags: uint32(c.List),
	}
	if a := t.world.campaign(c.Campaign); a != nil {
		rec.Version = a.Version().Number
	} else {
		rec.Namespace = c.Namespace
	}
	if c.Remove {
		rec.Flags |= ListRemoved
	} else if e.Treatment == Restrict && c.List == ListDeny {
		rec.Flags |= ListRestricted
	}
	t.note(rec, Result{})
}

// Flags of the record of a change of a list, besides the list's number.
const (
	ListRemoved    = 1 << 8
	ListRestricted = 1 << 9
)

// Listed is how a user stands on one list.
type Listed struct {
	List      ListKind
	Treatment Treatment
	ExpiresAt UnixMilli // 0: never
	At        Location  // of the record that says who did it, and why
}

// Listed returns how a user stands on the lists of n, or of c where that is not nil: entries that have expired too. It
// takes a lock.
func (n *Namespace) Listed(c *Campaign, user Key) (entries []Listed) {
	w := n.world
	mu := &w.shards[w.shardOf(&user)].mu
	mu.Lock()
	defer mu.Unlock()
	l := &n.lists
	if c != nil {
		l = &c.lists
	}
	row := l.find(w, &user)
	if row == nil {
		return nil
	}
	if flags := row[listFlags]; flags&listedDeny != 0 {
		x := Listed{List: ListDeny, ExpiresAt: UnixMilli(getU48(row[listDeny:])), At: getLocation(row[listDeny+listAt:])}
		if flags&listedRestricted != 0 {
			x.Treatment = Restrict
		}
		entries = append(entries, x)
	}
	if row[listFlags]&listedAllow != 0 {
		entries = append(entries, Listed{List: ListAllow, ExpiresAt: UnixMilli(getU48(row[listAllow:])), At: getLocation(row[listAllow+listAt:])})
	}
	return entries
}

// AddList appends a change of a list. It has at most MaxListEntries entries.
func (b *Batch) AddList(c *PutList) {
	w, start := b.begin(opList)
	w.u32(uint32(c.Namespace))
	w.u32(uint32(c.Campaign))
	w.u8(uint8(c.List))
	w.flag(c.Remove)
	w.str(c.Actor)
	w.u16(uint16(len(c.Entries)))
	for i := range c.Entries {
		e := &c.Entries[i]
		w.raw(e.User[:])
		w.u8(uint8(e.Treatment))
		w.i64(int64(e.ExpiresAt))
		w.bytes(e.UserID)
		w.bytes(e.Reason)
	}
	b.end(w, start)
}

func (r *reader) list() PutList {
	c := PutList{
		Namespace: NamespaceRef(r.u32()), Campaign: CampaignRef(r.u32()), List: ListKind(r.enum(uint8(ListAllow) + 1)), Remove: r.flag(),
		Actor: r.str(MaxActorBytes),
	}
	n := int(r.u16())
	r.fail = r.fail || n > MaxListEntries || c.List == 0
	for range n {
		if r.fail {
			break
		}
		e := ListEntry{
			User: r.key(), Treatment: Treatment(r.enum(uint8(Restrict) + 1)), ExpiresAt: UnixMilli(r.i64()),
			UserID: r.bytes(MaxUserBytes), Reason: r.bytes(MaxReasonBytes),
		}
		r.fail = r.fail || e.ExpiresAt < 0 || e.ExpiresAt >= 1<<47 || len(e.UserID) == 0
		c.Entries = append(c.Entries, e)
	}
	return c
}

// listCut is what a capture takes of the lists.
type listCut struct {
	there  bool
	digest uint64
	rows   uint64
}

func (l *lists) cut() (x listCut) {
	if l.table != nil {
		x = listCut{true, l.digest, l.table.rows()}
	}
	return x
}

func (w *writer) listCut(x listCut) {
	if x.there {
		w.u64(x.digest)
		w.u64(x.rows)
	}
}

func (r *reader) listCut() listCut { return listCut{true, r.u64(), r.u64()} }

// restore makes the table of lists that were captured; its rows come with the pages.
func (l *lists) restore(w *world, x listCut, table uint32) {
	if l.digest = x.digest; x.there {
		l.table = w.newRowTable(table, subjectKeyBytes, listRow)
	}
}
