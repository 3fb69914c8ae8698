package note

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

const headDirectory = "restante directory v1"

// A Directory is all that a client has to know of a gateway
// (docs/protocol.md, section 8).
type Directory struct {
	Domain        string
	Serial        uint64
	Previous      [sha256.Size]byte // Hash of the previous directory's text; zero for the first, written "-"
	EpochLength   time.Duration     // a multiple of BatchInterval
	BatchInterval time.Duration     // whole seconds, at least one
	BatchSize     uint64            // entries in a batch, at least 1
	SlotsPerBatch uint64            // entries of one mailbox in a batch, 1 to 65,536
	PoolRetention uint64            // epochs that an entry stays in the pool
	TokenLife     uint64            // epochs that a token is honoured
	Sign          [ed25519.PublicKeySize]byte
	Replaced      []ReplacedKey // signing keys of which entries are retained, at most MaxReplaced; ParseDirectory gives them by batch
	Seal          []EpochKey    // X25519 public keys; ParseDirectory gives them by epoch
	Blind         []EpochKey    // blinding public keys K_e; ParseDirectory gives them by epoch
}

// An EpochKey is a public key of one epoch, 32 octets. Nothing says yet that
// they are a usable key.
type EpochKey struct {
	Epoch uint64
	Key   [32]byte
}

// Epoch returns the epoch in which the directory was made. Its newest seal key is
// that of the next one. It returns 0 for a directory without seal keys.
func (d *Directory) Epoch() uint64 {
	newest := uint64(0)
	for _, k := range d.Seal {
		newest = max(newest, k.Epoch)
	}
	return newest - min(newest, 1)
}

// Text returns the directory's text, its keys sorted by epoch. It doesn't check
// them: what ParseDirectory would refuse comes out as it went in.
func (d *Directory) Text() string {
	var out strings.Builder
	out.WriteString(headDirectory + "\ndomain " + d.Domain + "\n")
	writeNumber(&out, "serial", d.Serial)
	out.WriteString("previous " + encodeHash(d.Previous) + "\n")
	writeNumber(&out, "epoch-length", uint64(d.EpochLength/time.Second))
	writeNumber(&out, "batch-interval", uint64(d.BatchInterval/time.Second))
	writeNumber(&out, "batch-size", d.BatchSize)
	writeNumber(&out, "slots-per-batch", d.SlotsPerBatch)
	writeNumber(&out, "pool-retention", d.PoolRetention)
	writeNumber(&out, "token-life", d.TokenLife)
	out.WriteString("sign " + base64.RawURLEncoding.EncodeToString(d.Sign[:]) + "\n")
	writeReplaced(&out, d.Replaced)
	writeKeys(&out, "seal", d.Seal)
	writeKeys(&out, "blind", d.Blind)
	return out.String()
}

func writeNumber(out *strings.Builder, key string, n uint64) {
	out.WriteString(key + " " + strconv.FormatUint(n, 10) + "\n")
}

func writeKeys(out *strings.Builder, name string, keys []EpochKey) {
	for _, k := range slices.SortedFunc(slices.Values(keys), byEpoch) {
		out.WriteString(name + " " + strconv.FormatUint(k.Epoch, 10) + " " +
			base64.RawURLEncoding.EncodeToString(k.Key[:]) + "\n")
	}
}

func byEpoch(a, b EpochKey) int {
	switch {
	case a.Epoch < b.Epoch:
		return -1
	case a.Epoch > b.Epoch:
		return 1
	}
	return 0
}

// ParseDirectory reads a directory's text, which Text gives back octet for
// octet. It returns ErrMalformed for anything else, and for numbers that no
// gateway could go by.
func ParseDirectory(text string) (*Directory, error) {
	r := newReader(text)
	r.literal(headDirectory)
	d := &Directory{ // in the order of the lines, which is that of evaluation
		Domain:        r.domain("domain"),
		Serial:        r.number("serial"),
		Previous:      r.hash("previous"),
		EpochLength:   r.seconds("epoch-length"),
		BatchInterval: r.seconds("batch-interval"),
		BatchSize:     r.number("batch-size"),
		SlotsPerBatch: r.number("slots-per-batch"),
		PoolRetention: r.number("pool-retention"),
		TokenLife:     r.number("token-life"),
		Sign:          r.octets(r.value("sign")),
		Replaced:      r.replaced(),
		Seal:          r.keys("seal"),
		Blind:         r.keys("blind"),
	}
	if !r.end() || !d.sound() {
		return nil, ErrMalformed
	}
	return d, nil
}

// sound says whether time can be cut by the directory's numbers.
func (d *Directory) sound() bool {
	return d.BatchInterval > 0 && d.EpochLength > 0 && d.EpochLength%d.BatchInterval == 0 &&
		d.BatchSize > 0 && d.SlotsPerBatch > 0 && d.SlotsPerBatch <= math.MaxUint16+1
}

// seconds takes a line "key value" with seconds for a value.
func (r *reader) seconds(key string) time.Duration {
	n := r.number(key)
	if n > uint64(math.MaxInt64/time.Second) {
		r.failed = true
		return 0
	}
	return time.Duration(n) * time.Second
}

// keys takes all lines "name epoch key", which must ascend by epoch.
func (r *reader) keys(name string) []EpochKey {
	var keys []EpochKey
	for r.more(name) {
		epoch, key, _ := strings.Cut(r.value(name), " ")
		k := EpochKey{r.decimal(epoch), r.octets(key)}
		r.check(len(keys) == 0 || keys[len(keys)-1].Epoch < k.Epoch)
		keys = append(keys, k)
	}
	return keys
}
