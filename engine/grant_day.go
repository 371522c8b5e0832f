package engine

import "encoding/binary"

// What a source granted a user by day: u32 the newest day, then u32 chances of that day and of the two before. An event is
// at most 24 h old, and days are at least 23 h long, so it falls into one of three.
const (
	grantDays      = 3
	grantDaysBytes = 4 + 4*grantDays
)

// grantedOn returns what was granted on a day; late says that the day is before those that are kept.
func grantedOn(b []byte, day uint32) (n uint32, late bool) {
	newest := binary.LittleEndian.Uint32(b)
	if day > newest {
		return 0, false
	}
	if newest-day >= grantDays {
		return 0, true
	}
	return binary.LittleEndian.Uint32(b[4+4*(newest-day):]), false
}

func countGrant(b []byte, day, n uint32) {
	newest := binary.LittleEndian.Uint32(b)
	for ; newest < day; newest++ {
		if day-newest >= grantDays {
			newest = day - 1
			clear(b[:grantDaysBytes])
			continue
		}
		copy(b[8:grantDaysBytes], b[4:grantDaysBytes-4])
		clear(b[4:8])
	}
	binary.LittleEndian.PutUint32(b, newest)
	at := b[4+4*(newest-day):]
	binary.LittleEndian.PutUint32(at, saturate(binary.LittleEndian.Uint32(at), n))
}
