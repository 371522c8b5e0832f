package bench

import "math"

// DrawCosts are what a draw costs in processor time, µs, by what a node does for it, and one by one in the log.
type DrawCosts struct {
	Edge    float64 // a node that takes the request and has it decided elsewhere, without applying it
	Lead    float64 // the leader, of a draw that a node forwarded, with two replicas beside it
	Replica float64 // of the leader, for each further replica that it sends the log to
	Follow  float64 // a node that keeps the log and applies it
	Serial  float64 // of the one goroutine that applies
}

// Sizing says which nodes take so many draws a second.
type Sizing struct {
	Groups  int     // clusters, each with three voters and a part of the campaigns
	Edges   int     // of each group: nodes without a vote that take the requests
	Nodes   int     // of all groups
	Cores   int     // of all nodes
	Lead    float64 // share of a leader's processors that is used
	Edge    float64 // share of an edge's
	Serial  float64 // share of the applying goroutine
	Limit   string  // what keeps one group less from doing it: lead, edge or serial
	Reached bool
}

// mostGroups and mostEdges bound the search.
const (
	mostGroups = 256
	mostEdges  = 32
)

// Size finds the fewest groups, and then the fewest edges, that take so many draws a second on nodes with so many cores, of which
// a share may be used. An edge applies the whole log of its group, besides its part of the requests, and the leader sends it
// there: so edges have an end.
func (c *DrawCosts) Size(draws float64, cores int, share float64) (s Sizing) {
	have := float64(cores) * share * 1e6 // µs a second
	for s.Groups = 1; s.Groups <= mostGroups; s.Groups++ {
		x := draws / float64(s.Groups)
		if c.Serial*x > share*1e6 {
			s.Limit = "serial"
			continue
		}
		left := have - c.Follow*x
		if left <= 0 || c.Edge*x/left > mostEdges {
			s.Limit = "edge"
			continue
		}
		s.Edges = int(math.Ceil(c.Edge * x / left))
		lead := (c.Lead + c.Replica*float64(s.Edges)) * x
		if lead > have {
			s.Limit = "lead"
			continue
		}
		s.Reached = true
		s.Nodes = s.Groups * (3 + s.Edges)
		s.Cores = s.Nodes * cores
		s.Lead, s.Serial = lead/float64(cores)/1e6, c.Serial*x/1e6
		s.Edge = (c.Follow*x + c.Edge*x/float64(s.Edges)) / float64(cores) / 1e6
		return s
	}
	return s
}
