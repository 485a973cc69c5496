/*
 * The leases of docs/leases.md: two brokers, a store of two servers that fails over, and a guard
 * that connects again, or polls. `npm run model` verifies the design and finds the error of each
 * broken variant (a -D each).
 *
 * -DSTREAM, -DPOLL: no guard accepts later than the acknowledgment plus the lease.
 * -DANSWERS: no broker answers positively to a request that was sent after the acknowledgment.
 *
 * One entry is enough, because entries do not act upon each other; one guard is enough for the same
 * reason. Between any two steps any time may pass: a process was stopped, a message was held, a
 * statement waited. A restarted broker is one that has done nothing yet and has a clock of its own:
 * the other broker is that too.
 *
 * Only differences of two readings of one clock decide anything. So the model keeps those, in
 * ticks: how long ago something was noted (at most LEASE, older is useless), and how long a lease
 * has left. Time has no end in it.
 */
#ifndef LEASE
#define LEASE 3
#endif
/* One tick less does not hold: the model reaches the bound. */
#ifdef ONE_TICK_LESS
#define BOUND (LEASE - 1)
#else
#define BOUND LEASE
#endif
#define NONE 2

#define OLDER(age) age = (age < LEASE -> age + 1 : age)
#define SHORTER(left) left = (left > 0 -> left - 1 : 0)

/*
 * Server 0 of the store is the primary until server 1 is promoted. Afterwards it is isolated and does
 * not know. A commit of server 0 is replicated, then it can be read there, then it is acknowledged.
 * Server 1 acknowledges what was replicated to it as well, where a client tries again.
 */
bool readable[2];
bool promoted;
bool acknowledged;
/* How long guards may accept after the acknowledgment. */
byte allowed;
/* How long the promoted server has to wait for leases on the other one. */
byte waits;

active proctype Store() {
  bool byServer0;
  do
  :: d_step { !readable[1] -> readable[1] = true; byServer0 = !promoted }
  :: d_step { byServer0 && !readable[0] -> readable[0] = true }
  :: d_step {
       !promoted -> promoted = true
#if defined(ANSWERS) && !defined(NO_WAIT)
       ; waits = BOUND
#endif
     }
  :: d_step {
       !acknowledged && (readable[0] || promoted && readable[1] && waits == 0) ->
       acknowledged = true; allowed = BOUND
     }
  od
}

/*
 * The renewal of a broker: how long ago it noted k, the server it renews at, and what it has
 * applied. A server confirms what it can have replicated; the broker learns of it at its next step.
 */
byte age[2];
bool applied[2];

#ifdef LOCAL_RENEWAL
#define CONFIRMS(server) (server == 0 || promoted)
#else
#define CONFIRMS(server) (server == promoted)
#endif
#ifdef FROM_CONFIRMATION
#define CONFIRMED age[b] = 0
#else
#define CONFIRMED skip
#endif
/* The server that another connection of the pool may lead to. */
#ifdef OTHER_SERVER
#define ACTS_AT(server) (1 - server)
#else
#define ACTS_AT(server) (server)
#endif

inline renew() {
  atomic { age[b] = 0; if :: server = 0 :: promoted -> server = 1 fi };
  CONFIRMS(server)
}
inline read() {
  CONFIRMED;
  applied[b] = applied[b] || readable[ACTS_AT(server)];
  server = 0
}

#ifdef ANSWERS
/* A broker's lease on the store: how long is left, and at which server. */
byte left[2];
bit at[2];

proctype Broker(bit b) {
  bit server;
  do
  :: renew();
     d_step {
       CONFIRMED; left[b] = LEASE - age[b]; at[b] = server; age[b] = LEASE; server = 0
     }
  od
}

/* One request after another: it is sent, its statements run, it is answered. */
proctype Requests(bit b) {
  bool sentAfter, isRevoked;
  bit server;
  do
  :: sentAfter = acknowledged;
     atomic { if :: server = 0 :: server = 1 fi; isRevoked = readable[server] };
     d_step {
#ifdef OTHER_SERVER
       assert(!(sentAfter && !isRevoked && left[b] > 0));
#else
       assert(!(sentAfter && !isRevoked && left[b] > 0 && at[b] == server));
#endif
       sentAfter = false; isRevoked = false; server = 0
     }
  od
}

init { atomic { age[0] = LEASE; age[1] = LEASE; run Broker(0); run Broker(1); run Requests(0) } }

#define BROKERS_TIME SHORTER(left[0]); SHORTER(left[1]); OLDER(age[0]); OLDER(age[1])
active proctype Time() {
  do
  :: d_step { SHORTER(waits); SHORTER(allowed); BROKERS_TIME }
#ifdef SLEEPING_CLOCK
  :: d_step { SHORTER(waits); SHORTER(allowed) }
#endif
  od
}

#else
/*
 * The guard: how long its lease is left, whether it enforces the entry, and its anchor: how much
 * later b0 was noted than g0. `anchored`: b0 was noted.
 */
byte left;
bool enforces;
short later;
bool anchored;
#define EXTEND(more) if :: more > left -> left = more :: else fi

active proctype Accepts() {
  acknowledged && allowed == 0 && left > 0 && !enforces -> assert(false)
}
#endif

#ifdef STREAM
mtype = { reset, entry, live, lease };
/* The event on the line, or 0, and how old the k of a lease on it is. Others wait at the broker. */
mtype event;
byte eventAge = LEASE;
/*
 * The broker that the line leads to; whether it sends what happens, whether it has read nothing
 * since, and whether it has sent the entry.
 */
byte serving = NONE;
bool opened, fresh, sent;

#define HERE (serving == b && opened)
#define FREE (anchored && event == 0)
/* A stream gets the k of what was read after it was opened, and no other. */
#ifdef SHARED_K
#define TAKES_K HERE
#else
#define TAKES_K (HERE && !fresh)
#endif

inline sendEntry() {
  if
  :: atomic { HERE && event == 0 && applied[b] && !sent -> event = entry; sent = true }
  :: !(HERE && applied[b] && !sent)
  fi
}
inline sendLease() {
  if
#ifdef FROM_WRITING
  :: atomic { TAKES_K && event == 0 -> event = lease; eventAge = 0 }
#else
  :: atomic { TAKES_K && event == 0 -> event = lease; eventAge = age[b] }
#endif
  :: !TAKES_K
  fi
}

proctype Broker(bit b) {
  bit server;
  do
  :: renew();
     d_step { read(); if :: HERE -> fresh = false :: else fi };
#ifdef LEASE_FIRST
     sendLease(); sendEntry();
#else
     sendEntry(); sendLease();
#endif
     age[b] = LEASE
  od
}

/* What a broker does with a new connection: note b0, send a reset or none, the snapshot, live. */
active proctype Open() {
start:
  atomic { serving != NONE && !anchored -> anchored = true; fresh = true };
  if
  :: atomic { FREE -> event = reset }
  :: skip
  :: !anchored -> goto start
  fi;
  if
  :: atomic { FREE && applied[serving] -> event = entry; sent = true }
  :: atomic { FREE && !applied[serving] -> skip }
  :: !anchored -> goto start
  fi;
  if
  :: atomic { FREE -> event = live; opened = true; goto start }
  :: !anchored -> goto start
  fi
}

active proctype Guard() {
  bool isLive;
  do
  :: atomic { serving == NONE -> if :: serving = 0 :: serving = 1 fi }
  :: d_step {
       serving != NONE -> serving = NONE; later = 0; anchored = false; isLive = false;
       opened = false; fresh = false; sent = false; event = 0; eventAge = LEASE
     }
  :: d_step {
       event == reset -> event = 0; enforces = false; isLive = false
#ifndef KEPT_OVER_RESET
       ; left = 0
#endif
     }
  :: d_step { event == entry -> event = 0; enforces = true }
  :: d_step { event == live -> event = 0; isLive = true }
  :: d_step {
       event == lease ->
       if
#ifdef FROM_RECEIPT
       :: isLive -> EXTEND(LEASE)
#else
       :: isLive -> EXTEND(LEASE - eventAge - later)
#endif
       :: else
       fi;
       event = 0; eventAge = LEASE
     }
  /* A new anchor of the same clock. One whose request takes time allows less. */
  :: d_step { anchored && later > 0 -> later = 0 }
#ifdef OTHER_CLOCK
  /* The request reaches the other broker, whose clock is 2 ticks behind. */
  :: d_step { anchored && later > -2 -> later = -2 }
#endif
  od
}

#define PASS \
  SHORTER(allowed); OLDER(age[0]); OLDER(age[1]); OLDER(eventAge)
active proctype Time() {
  do
  :: d_step {
       PASS; SHORTER(left);
       if :: serving != NONE && !anchored -> OLDER(later) :: else fi
     }
#ifdef SLEEPING_CLOCK
  :: d_step {
       PASS;
       if :: anchored && later > -LEASE -> later-- :: else fi
     }
#endif
  od
}

init { atomic { age[0] = LEASE; age[1] = LEASE; run Broker(0); run Broker(1) } }
#endif

#ifdef POLL
mtype = { idle, asked, arrived, answered };
mtype poll = idle;
/* The broker that got the poll. */
bit by;
/* The answer. */
byte answerAge = LEASE;
bool hasEntry;
/* How old the head is up to which a broker has applied what it read. */
byte knownAge[2];

proctype Broker(bit b) {
  bit server;
  do
  :: renew();
     d_step { read(); knownAge[b] = age[b]; age[b] = LEASE }
  od
}

inline forget() {
  poll = idle; later = 0; by = 0; answerAge = LEASE; hasEntry = false
}

active proctype Guard() {
  do
  :: d_step { poll == idle -> poll = asked }
  :: atomic {
       poll == asked -> poll = arrived; if :: by = 0 :: by = 1 fi;
#ifdef LEASE_FIRST
       hasEntry = applied[by]
#endif
     }
  :: d_step {
       poll == arrived -> poll = answered;
#ifndef LEASE_FIRST
       hasEntry = applied[by];
#endif
#ifdef FROM_WRITING
       answerAge = 0
#else
       answerAge = knownAge[by]
#endif
     }
  /* The first page of a reset. */
  :: d_step {
       poll == answered -> enforces = false
#ifndef KEPT_OVER_RESET
       ; left = 0
#endif
     }
  :: d_step {
       poll == answered -> enforces = enforces || hasEntry;
#ifdef FROM_RECEIPT
       EXTEND(LEASE);
#else
       EXTEND(LEASE - answerAge - later);
#endif
       forget()
     }
  :: d_step { poll != idle -> forget() }
  od
}

#define PASS \
  SHORTER(allowed); OLDER(age[0]); OLDER(age[1]); OLDER(answerAge); \
  OLDER(knownAge[0]); OLDER(knownAge[1])
active proctype Time() {
  do
  :: d_step { PASS; SHORTER(left); if :: poll == asked -> OLDER(later) :: else fi }
#ifdef SLEEPING_CLOCK
  :: d_step { PASS; if :: poll > idle && later > -LEASE -> later-- :: else fi }
#endif
  od
}

init {
  atomic {
    age[0] = LEASE; age[1] = LEASE; knownAge[0] = LEASE; knownAge[1] = LEASE;
    run Broker(0); run Broker(1)
  }
}
#endif
