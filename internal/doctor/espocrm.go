package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/result"
)

// checkEspoCRM: it answers, and takes the key. One call; after a refusal the
// client sends nothing more, for eleven lock this address out.
func (v *visit) checkEspoCRM(ctx context.Context) []result.Finding {
	espo, err := v.EspoCRM()
	if err != nil {
		return one(broken(err, ""))
	}
	user, err := espo.AppUser(ctx)
	if err != nil {
		return one(broken(err, v.signInHint(err)))
	}
	v.espo, v.user = espo, user
	name, _ := user.Text("user.userName")
	return one(ok("%s answers, signed in as %s", v.Config.EspoCRM.URL, fault.Clean(name, 60)))
}

func (v *visit) signInHint(err error) string {
	if !fault.Is(err, fault.Unauthorized) {
		return ""
	}
	method := "API Key"
	if v.Config.EspoCRM.SecretKey.IsSet() {
		method = "HMAC"
	}
	return "Administration > API Users: the user must be active, with authentication method " + method +
		" (secret_key set means HMAC); copy its key anew into espocrm.api_key. Eleven refusals in a minute lock this address out"
}

// The versions that matter.
const (
	leastMajor, leastMinor = 8, 4 // deleteId, and hex digests
)

// checkVersion: older ones work with a client of ours only by chance.
func (v *visit) checkVersion(context.Context) []result.Finding {
	text, _ := v.user.Text("settings.version")
	major, minor, ok2 := majorMinor(text)
	switch {
	case !ok2:
		return one(warn("", "EspoCRM does not say its version", "look at Administration > System Upgrade; advosync was made for 8.4 to 10.0"))
	case major < leastMajor || major == leastMajor && minor < leastMinor:
		return one(warn("", fmt.Sprintf("EspoCRM %s is older than 8.4: the extension cannot be installed, and a unique advowareId counts deleted records", fault.Clean(text, 20)),
			"Administration > System Upgrade"))
	case major > 10:
		return one(warn("", fmt.Sprintf("EspoCRM %s is newer than the versions advosync was made for (8.4 to 10.0)", fault.Clean(text, 20)), "watch the first passes; look for a newer advosync"))
	}
	return one(ok("EspoCRM %s", fault.Clean(text, 20)))
}

func majorMinor(s string) (major, minor int, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return major, minor, err1 == nil && err2 == nil
}

// Clocks apart by less do no harm; by more, Advoware may refuse the sign-in,
// which carries a time.
const (
	smallSkew = 5 * time.Second
	largeSkew = 5 * time.Minute
)

// checkClock compares this host's clock with the Date of EspoCRM's answers.
func (v *visit) checkClock(context.Context) []result.Finding {
	skew, known := v.espo.Skew()
	if !known {
		return one(warn("", "EspoCRM's answers carry no date", "look for a proxy that removes the header Date"))
	}
	if skew.Abs() <= smallSkew {
		return one(ok("this host and EspoCRM agree on the time"))
	}
	which := "behind"
	if skew < 0 {
		which = "ahead of"
	}
	message := fmt.Sprintf("this host is %s %s EspoCRM", roundSkew(skew.Abs()), which)
	hint := "switch time synchronisation on, on both hosts: timedatectl set-ntp true"
	if skew.Abs() > largeSkew {
		return one(fail(message+"; Advoware's sign-in carries a time and may be refused, locks of several hosts may end too early", hint))
	}
	return one(warn("", message+"; times in history and tables will not match", hint))
}

func roundSkew(d time.Duration) string {
	if d >= time.Minute {
		return d.Round(time.Minute).String()
	}
	return d.Round(time.Second).String()
}

// checkNotes: whoever is to be told of conflicts can be told.
func (v *visit) checkNotes(ctx context.Context) []result.Finding {
	n := v.Config.EspoCRM.Notify
	switch {
	case n.Via == "none":
		return one(ok("nobody is told of conflicts (espocrm.notify.via: none)"))
	case n.Via == "notification":
		return one(warn("", "stock EspoCRM lets no API user create notifications; conflicts may reach nobody", "set espocrm.notify.via to stream"))
	case len(n.Users) == 0:
		return one(warn("", "no user is named in espocrm.notify.users; only followers see the notes", "name at least one"))
	}
	if level := v.permission("mentionPermission"); level == "no" {
		return one(warn("", "the role does not let the API user mention people; they will not be notified", "Administration > Roles > (role of the API user): Mention Permission, all"))
	}
	wrong, seen := v.judgeUsers(ctx, n.Users)
	if !seen {
		return one(ok("notes mention %s (whether EspoCRM has them was not seen: the role does not let the API user read users)", strings.Join(n.Users, ", ")))
	}
	return orOK(wrong, "notes mention %s", strings.Join(n.Users, ", "))
}

// judgeUsers looks whether EspoCRM has the people who are to be told. False:
// the API user may not see users.
func (v *visit) judgeUsers(ctx context.Context, names []string) (wrong []result.Finding, seen bool) {
	if a := v.access("User"); a.told && (a.none || a.level["read"] == "no") {
		return nil, false
	}
	const hint = "correct espocrm.notify.users: user names as in Administration > Users"
	active := map[string]bool{}
	var wanted []string
	for _, name := range names {
		wanted = append(wanted, strings.TrimPrefix(strings.TrimSpace(name), "@"))
	}
	users, err := v.espo.Find(ctx, "User", record.Query{Where: []record.Condition{{Field: "userName", Op: record.In, Values: wanted}},
		Select: []string{"id", "userName", "isActive"}, OrderBy: "id", Size: 200})
	if fault.Is(err, fault.Forbidden) {
		return nil, false
	}
	if err != nil {
		return one(broken(err, "")), true
	}
	for _, u := range users {
		name, _ := u.Text("userName")
		raw, _ := u.Get("isActive")
		active[strings.ToLower(name)] = string(raw) != "false"
	}
	for _, name := range wanted {
		switch on, there := active[strings.ToLower(name)]; {
		case !there:
			wrong = append(wrong, warn("", "EspoCRM has no user "+name+"; what is to be told reaches nobody of that name", hint))
		case !on:
			wrong = append(wrong, warn("", "user "+name+" is not active in EspoCRM and will read nothing", hint))
		}
	}
	return wrong, true
}

// permission is a value of the role besides its scopes; "" when it is not told.
func (v *visit) permission(name string) string {
	level, _ := v.user.Text("acl." + name)
	return level
}
