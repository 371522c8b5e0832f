package engine

// Every maximum of the engine. What is bounded by a namespace's policy instead is listed at the end with its default.
const (
	// MaxEntryBytes bounds one log entry. hashicorp/raft counts entries and not bytes, so 64 of these must stay a
	// message that a follower can take in one piece (raft-and-pebble.md, Settings).
	MaxEntryBytes = 256 << 10
	// MaxCommandBytes bounds one command: the largest is a published version.
	MaxCommandBytes = 192 << 10
	// MaxEntryRecords bounds the records of one entry: a record's ordinal is a uint16.
	MaxEntryRecords = 1<<16 - 1
	// MaxTimes is the largest "times" of one draw.
	MaxTimes = 10
	// MaxBatchDraws is the largest number of draws in one draws:batch request.
	MaxBatchDraws = 1000

	MaxIDBytes             = 63  // campaign, prize and cap ids
	MaxUserBytes           = 128 // users, owners, devices
	MaxChannelBytes        = 32
	MaxIdempotencyKeyBytes = 64
	MaxReasonBytes         = 512
	MaxNoteBytes           = MaxUserBytes + 1 + MaxIdempotencyKeyBytes + 1 + MaxReasonBytes // Record.Reason: that of an award holds user, ticket and reason
	MaxActorBytes          = 128
	MaxNamespaceBytes      = 63
	MaxDocumentNameBytes   = 200
	MaxDocumentBytes       = 160 << 10 // a document travels in one command
	MaxVersionBytes        = 160 << 10

	// What every checkpoint holds in one piece is bounded in sum as well: a state that could not be loaded again would
	// be lost.
	MaxFormsBytes     = 192 << 20 // of all versions of the cluster, live, older and to come
	MaxDocumentsBytes = 192 << 20 // of all documents of the cluster

	MaxNamespaces     = 1024
	MaxCampaigns      = 16384
	MaxVersions       = 4096          // of one campaign
	MaxPrizes         = 256           // in one version
	MaxPrizesEver     = 4096          // prize ids of one campaign over all its versions: counters are kept for good
	MaxCaps           = 16            // in one version
	MaxCapsEver       = 64            // cap ids of one campaign over all its versions
	MaxEntries        = 1_000_000_000 // draws that a deck or pacing expects
	MaxRaffles        = 64            // of one campaign
	MaxEntrants       = 100_000       // of one raffle
	MaxEntrantsEver   = 1_000_000     // of all raffles in the cluster: they are kept for good
	MaxEntrantsBytes  = 128 << 10     // of the ids in one command, a length byte each
	MaxCards          = 64            // amounts in one deck of amounts
	MaxAmount         = 1 << 53       // minor units of one win and of one budget: every JSON reader keeps it
	MaxAggregateCaps  = 4             // of one namespace
	MaxFatigueCaps    = 32            // of one namespace
	MaxHit            = 1_000_000     // of one hit
	MaxFallbackHops   = 4
	MaxPities         = 4     // in one version
	MaxPityWithin     = 10000 // draws in a row
	MaxPityPrizes     = 8     // of one pity
	MaxLots           = 16    // lots of chances that one user can have of grants, in one campaign or purse
	MaxSources        = 16    // in one version or purse
	MaxSourcesEver    = 200   // of one campaign or purse over its life: their numbers fit in a byte
	MaxSourceBytes    = 40    // source and purse ids
	MaxEventBytes     = 64
	MaxPurses         = 8 // of one namespace
	MaxPricePeriods   = 64
	MaxMilestones     = 16
	MaxPriority       = 100
	MaxPrice          = 1_000_000   // chances per draw
	MaxGrant          = 100_000_000 // chances in one grant: they fit in 28 bits
	MaxOwnGrant       = 1_000_000   // chances of one milestone or prize
	MaxStreakDays     = 3650
	MaxSoftSteps      = 64  // of one pity
	MaxReserves       = 256 // reserves of one campaign over all its versions
	MaxDocuments      = 65536
	MaxTransitions    = 256 // time zone changes over one campaign
	MaxSessions       = 1024
	MaxSets           = 400 // different prize sets of one version's sessions
	MaxChannels       = 16
	MaxSlots          = 64   // of one channel's wheel
	MaxSchedules      = 64   // release schedules of one version
	MaxReleaseWindows = 4096 // of all schedules of one version together
	MaxPending        = 32   // versions of one namespace that are to become live later
	MinSession        = 2000 // ms from a session's start to its end

	MaxAttributes      = 16      // facts that one version may ask for
	MaxAttributeBytes  = 32      // of an attribute's name
	MaxAttributeText   = 64      // bytes of an attribute's value
	MaxAttributeScopes = 4       // attributes that caps count by, over all versions of a campaign
	MaxRuleBytes       = 1024    // of an audience rule as it is written
	MaxProgramBytes    = 4096    // of an audience rule compiled
	MaxTicketKeys      = 16      // named by one version
	MaxListed          = 1 << 20 // users on the lists of one campaign, or of one namespace
	MaxListEntries     = 255     // in one command: a result counts its records in a byte

	MaxPools         = 4096             // of one namespace
	MaxPoolsEver     = 1 << 16          // of all namespaces: pools are kept for good
	MaxAgendaMinutes = 1 << 19          // minutes in which units of some pool come back, each pool's counted: more than that are not held
	MaxPoolDocument  = 4 << 10          // bytes
	MaxHoldItems     = 8                // of one hold
	MaxHoldUnits     = 1 << 20          // of one item
	MaxOpenHolds     = 16               // of one owner
	MaxRefBytes      = 64               // of the host's reference
	MinHoldTTL       = 1000             // ms
	DefaultHoldTTL   = 120_000          // ms
	MaxHoldLife      = 24 * 3600 * 1000 // ms from a hold's start to its deadline, extensions included
	MaxHoldPage      = 1000             // holds and takes in one answer
	MaxReturnJitter  = 3600 * 1000      // ms
	MaxHoldCooldown  = HoldKeyRetention // ms: shorter than expired holds are kept
	HoldLateness     = 24 * 3600 * 1000 // ms after the deadline in which an expired hold can still take free units
	HoldKeyRetention = 72 * 3600 * 1000 // ms after the last moment at which a hold can be resolved

	MinDenominator     = 1
	MaxDenominator     = 1_000_000_000
	DefaultDenominator = 1_000_000
	MaxStock           = 1 << 50 // units of one prize
	MaxUnits           = 1 << 20 // units of stock per win
	MaxCapLimit        = 1<<31 - 1
	MaxAwarding        = 1024    // operators who award something on one day, where that is bounded
	MaxHolders         = 4096    // keys of one namespace that can ask for what needs approval
	MaxVoids           = 1 << 16 // draws of one campaign that were taken back
	MinClaimWithin     = 1000    // ms
	MaxClaimWithin     = 366 * 24 * 3600 * 1000
	MaxRollingLimit    = 64
	MaxRollingWindow   = 31 * 24 * 3600 * 1000 // ms
	MaxCooldown        = 366 * 24 * 3600 * 1000
	MaxCampaignSpan    = 10 * 366 * 24 * 3600 * 1000 // ms from start to end
	KeyRetention       = 72 * 3600 * 1000            // ms after the end for which idempotency keys are kept

	DefaultMaxUsers = 20_000_000  // rows of users in one namespace
	DefaultMaxKeys  = 200_000_000 // remembered idempotency keys in one namespace

	// MaxShards bounds Options.Shards. A key's shard is taken from its first ten bits.
	MaxShards     = 1024
	DefaultShards = 64
)

// Relations that the code relies on, checked at compile time: a negative constant does not fit in a uint.
const (
	_ = uint(MaxEntryBytes - MaxCommandBytes - 1024)
	_ = uint(MaxCommandBytes - MaxVersionBytes - 8192)
	_ = uint(MaxCommandBytes - MaxDocumentBytes - 8192)
	_ = uint(MaxEntryRecords - MaxBatchDraws*MaxTimes)
	_ = uint(MaxEntryBytes - MaxBatchDraws*240)
	_ = uint(255 - MaxUserBytes)
	_ = uint(1<<16 - MaxPrizesEver)
	_ = uint(maxMetaBytes - MaxFormsBytes - MaxDocumentsBytes - MaxDocuments*(MaxDocumentNameBytes+32) -
		MaxCodesEver*(len(Key{})+sealedCodeMost+2) - MaxEntrantsEver*(1+MaxUserBytes) -
		MaxPoolsEver*(MaxPoolDocument+MaxIDBytes+MaxReasonBytes+256) -
		// What is given back may be spread over minutes of its own: those of an hour and a bit, in each pool.
		(MaxAgendaMinutes+MaxPoolsEver*(MaxReturnJitter/60_000+2))*agendaMinuteBytes)
)
