package campaignfile

import "github.com/drawd/drawd/engine"

// File is a campaign file that has no faults.
type File struct {
	// Version is the compiled form. Number, Hash and Salt are zero: the publisher gives the salt, the engine the rest.
	Version *engine.Version
	// Warnings are what is allowed but probably not meant.
	Warnings []Fault

	places map[string]place // by JSON pointer, so that later faults can be given their place too
}

type place struct{ line, column int }

// Parse reads a campaign file, YAML or JSON, of at most engine.MaxDocumentBytes. The file is nil when there are faults.
func Parse(src []byte) (*File, []Fault) { return nil, nil }

// Locate fills in line and column of faults that name a value of this file by its pointer.
func (f *File) Locate(faults []Fault) []Fault { return faults }

// Unstated returns a fault for every prize that states no stock although its id is new, known telling which ids the
// campaign has ever had. A forgotten line must not become an unlimited prize; "thanks" prizes are unlimited anyway.
func (f *File) Unstated(known func(prizeID string) bool) []Fault { return nil }

// Favourable returns a fault for every change from live to next that takes something away from users (semantics.md
// §10). Publishing such a version must be forced, with a reason.
func Favourable(live, next *engine.Version) []Fault { return nil }

// ParsePolicy reads the policy of a namespace, YAML or JSON. The policy is nil when there are faults; its Revision is 0.
func ParsePolicy(src []byte) (*engine.NamespacePolicy, []Fault) { return nil, nil }
