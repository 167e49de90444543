package desk

import (
	"context"
	"strconv"

	"advosync/internal/mapping"
)

// NameInAdvoware is by what a person knows a record of Advoware: the title and the
// natural key, in EspoCRM's terms, as far as they have a value. For the operator alone;
// "": nobody knows.
func (d *Desk) NameInAdvoware(ctx context.Context, m *mapping.Mapping, number int64) (string, error) {
	o, err := d.engine.Advoware.Get(ctx, m.ReadPath(), strconv.FormatInt(number, 10))
	if err != nil {
		return "", err
	}
	if got, ok := o.Int(m.AdvoID()); !ok || got != number {
		return "", nil
	}
	v, err := m.ReadAdvo(o)
	if err != nil {
		return "", err
	}
	return naturalName(m, v), nil
}
