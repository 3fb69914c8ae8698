package pool

import "time"

// A Calendar says how a gateway cuts time: into epochs, over which one blinding
// key holds, and batches, in which pool entries are released together. Batches
// are numbered globally, and each lies in one epoch.
type Calendar struct {
	EpochLength   time.Duration // a multiple of BatchInterval, both whole seconds
	BatchInterval time.Duration
	Retention     uint64 // epochs that an entry stays in the pool after its own
	TokenLife     uint64 // epochs that a token is honoured after its own
}

// Batch returns the number of the batch whose interval t lies in.
func (c Calendar) Batch(t time.Time) uint64 { return uint64(t.Unix()) / seconds(c.BatchInterval) }

// Epoch returns the epoch that t lies in.
func (c Calendar) Epoch(t time.Time) uint64 { return uint64(t.Unix()) / seconds(c.EpochLength) }

// Start returns the moment at which a batch starts, which is when it is
// released, in UTC.
func (c Calendar) Start(batch uint64) time.Time {
	return time.Unix(int64(batch*seconds(c.BatchInterval)), 0).UTC()
}

// EpochOf returns the epoch that a batch lies in.
func (c Calendar) EpochOf(batch uint64) uint64 {
	return batch / (seconds(c.EpochLength) / seconds(c.BatchInterval))
}

// FirstBatch returns the first batch of an epoch.
func (c Calendar) FirstBatch(epoch uint64) uint64 {
	return epoch * (seconds(c.EpochLength) / seconds(c.BatchInterval))
}

// OldestRetained returns the first epoch whose entries are still kept while now
// is the current one.
func (c Calendar) OldestRetained(now uint64) uint64 { return now - min(now, c.Retention) }

// OldestHonoured returns the first epoch whose tokens are still honoured while
// now is the current one.
func (c Calendar) OldestHonoured(now uint64) uint64 { return now - min(now, c.TokenLife) }

func seconds(d time.Duration) uint64 { return uint64(d / time.Second) }
