// STATE/funless:
//
//   key             signs tokens
//   subjects.json   who there is: name, what the token says, and its hash; the token itself is nowhere, and is made again out of key and claims when an administrator asks for it
//
// A token is good when its signature is, it has not expired, and its hash is the subject's: so whoever is removed, or whose token is renewed, is out at once.
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Stint.Files;

namespace Stint.Security.Tokens;

/// <summary>The subjects of this platform and their tokens. Safe for several threads.</summary>
internal sealed class SubjectStore : ISharedPart
{
    /// <summary>The kind of what is shared.</summary>
    public const string Kind = "subjects";

    /// <summary>The subjects that always exist: one that may manage subjects, and one that may not.</summary>
    public const string Admin = "admin", Guest = "guest";

    /// <summary>Most subjects. Arbitrary.</summary>
    public const int MaxSubjects = 1000;

    /// <summary>The tokens of <see cref="Admin"/> and <see cref="Guest"/> are renewed by themselves so long before they expire.</summary>
    public static readonly TimeSpan RenewAhead = TimeSpan.FromDays(2);

    private readonly Lock _lock = new();
    private readonly string _folder;
    private readonly string _path;
    private readonly TimeProvider _time;
    private readonly ISharedTexts? _shared;
    private volatile TokenKey _key;
    private volatile Dictionary<string, Subject> _subjects;

    /// <summary>Reads key and subjects, making what is missing.</summary>
    /// <param name="folder">Where they are kept; made private.</param>
    /// <param name="time">Says what has expired.</param>
    /// <param name="shared">Keeps key and subjects the same at all gateways; null = there is one.</param>
    /// <exception cref="IOException">They cannot be read or made; the message says what to do.</exception>
    public SubjectStore(string folder, TimeProvider time, ISharedTexts? shared = null)
    {
        PrivateFile.MakeFolder(folder);
        (_key, _folder, _path, _time, _shared) = (TokenKey.LoadOrCreate(Path.Combine(folder, KeyFile)), folder, Path.Combine(folder, SubjectsFile), time, shared);
        _subjects = Load();
        lock (_lock)
        {
            // With another key nobody's token is what was given out; so that the list shows none that are no good, everybody gets a new one.
            var next = _subjects.Values.Select(subject => IsOf(subject, subject.Token.Write(_key)) ? subject : Fresh(subject.Name, subject.IsAdmin)).ToDictionary(static subject => subject.Name, StringComparer.Ordinal);
            next.TryAdd(Admin, Fresh(Admin, isAdmin: true));
            next.TryAdd(Guest, Fresh(Guest, isAdmin: false));
            Keep_NeedsLock(next);
        }
        shared?.Share(Kind, this);
    }

    /// <summary>Told when another gateway has changed something.</summary>
    public Action Adopted { get; set; } = static () => { };

    /// <summary>Changes something here, at all gateways if there are several.</summary>
    public Task<T> UpdateAsync<T>(Func<SubjectStore, T> change, CancellationToken cancellationToken) => _shared.UpdateAsync(Kind, () => change(this), cancellationToken);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, byte[]> Export()
    {
        lock (_lock) return new Dictionary<string, byte[]> { [KeyFile] = _key.Export(), [SubjectsFile] = Text(_subjects) };
    }

    /// <inheritdoc/>
    public void Adopt(IReadOnlyDictionary<string, byte[]> texts)
    {
        lock (_lock)
        {
            if (!texts.TryGetValue(KeyFile, out var key) || !texts.TryGetValue(SubjectsFile, out var text)) throw new IOException("the store has no key or no subjects of FunLess's API; restore the database from its backup");
            var isSame = _key.Export().AsSpan().SequenceEqual(key) && Text(_subjects).AsSpan().SequenceEqual(text);
            if (isSame) return;
            Dictionary<string, Subject> subjects;
            try
            {
                subjects = (JsonSerializer.Deserialize(text, SubjectJson.Default.ListSubject) ?? []).ToDictionary(static subject => subject.Name, StringComparer.Ordinal);
            }
            catch (Exception broken) when (broken is JsonException or ArgumentException)
            {
                throw new IOException($"the subjects of FunLess's API in the store cannot be read: {broken.Message}", broken);
            }
            _key = TokenKey.Keep(Path.Combine(_folder, KeyFile), key);
            Keep_NeedsLock(subjects);
        }
        Adopted();
    }

    /// <summary>Everybody, by name.</summary>
    public IReadOnlyList<Subject> List() => [.. _subjects.Values.OrderBy(static subject => subject.Name, StringComparer.Ordinal)];

    /// <summary>A subject's token.</summary>
    public string TokenOf(Subject subject) => subject.Token.Write(_key);

    /// <summary>Whose token an <c>Authorization</c> header carries (RFC 6750 section 2.1); null when it is nobody's, or expired.</summary>
    public Subject? Authenticate(string? authorization)
    {
        const string scheme = "Bearer ";
        if (authorization is null || !authorization.StartsWith(scheme, StringComparison.OrdinalIgnoreCase)) return null;
        var text = authorization.AsSpan(scheme.Length).Trim().ToString();
        if (SubjectToken.Read(text, _key) is not { } token || token.Expires <= _time.GetUtcNow()) return null;
        return _subjects.TryGetValue(token.Name, out var subject) && (IsOf(subject, text) || (subject.Previous is { } previous && Equal(previous, HashOf(text)))) ? subject : null;
    }

    /// <summary>Adds a subject that may not manage others; null when there is one of that name.</summary>
    /// <exception cref="IOException">It cannot be kept.</exception>
    public Subject? TryAdd(string name)
    {
        lock (_lock)
        {
            if (_subjects.ContainsKey(name)) return null;
            if (_subjects.Count >= MaxSubjects) throw new IOException($"there are {MaxSubjects:N0} subjects already; revoke one first: stint token revoke NAME");
            var added = Fresh(name, isAdmin: false);
            Keep_NeedsLock(new(_subjects, StringComparer.Ordinal) { [name] = added });
            return added;
        }
    }

    /// <summary>Gives a subject a new token; the one before is good no more. Null when there is none of that name.</summary>
    /// <exception cref="IOException">It cannot be kept.</exception>
    public Subject? Renew(string name)
    {
        lock (_lock)
        {
            if (!_subjects.TryGetValue(name, out var known)) return null;
            var fresh = Fresh(name, known.IsAdmin);
            Keep_NeedsLock(new(_subjects, StringComparer.Ordinal) { [name] = fresh });
            return fresh;
        }
    }

    /// <summary>Removes a subject; its token is good no more. False when there is none of that name; <see cref="Admin"/> and <see cref="Guest"/> come back with new tokens.</summary>
    /// <exception cref="IOException">It cannot be kept.</exception>
    public bool TryRemove(string name)
    {
        if (name is Admin or Guest) return Renew(name) is not null;
        lock (_lock)
        {
            var next = new Dictionary<string, Subject>(_subjects, StringComparer.Ordinal);
            if (!next.Remove(name)) return false;
            Keep_NeedsLock(next);
            return true;
        }
    }

    /// <summary>Renews the tokens of <see cref="Admin"/> and <see cref="Guest"/> when they expire within <see cref="RenewAhead"/>. Those before stay good until they do.</summary>
    /// <returns>Whether any was renewed.</returns>
    /// <exception cref="IOException">They cannot be kept.</exception>
    public bool RenewOwn()
    {
        lock (_lock)
        {
            var next = new Dictionary<string, Subject>(_subjects, StringComparer.Ordinal);
            var due = next.Values.Where(IsDue).ToArray();
            foreach (var subject in due) next[subject.Name] = Fresh(subject.Name, subject.IsAdmin) with { Previous = subject.Hash };
            if (due.Length > 0) Keep_NeedsLock(next);
            return due.Length > 0;
        }
    }

    /// <summary>Whether <see cref="RenewOwn"/> would do something.</summary>
    public bool IsRenewalDue => _subjects.Values.Any(IsDue);

    private const string KeyFile = "key", SubjectsFile = "subjects.json";

    private bool IsDue(Subject subject) => subject.Name is Admin or Guest && subject.Token.Expires <= _time.GetUtcNow() + RenewAhead;

    private static byte[] Text(Dictionary<string, Subject> subjects) => JsonSerializer.SerializeToUtf8Bytes(subjects.Values.OrderBy(static subject => subject.Name, StringComparer.Ordinal).ToList(), SubjectJson.Default.ListSubject);

    private Dictionary<string, Subject> Load()
    {
        if (!File.Exists(_path)) return new(StringComparer.Ordinal);
        try
        {
            return (JsonSerializer.Deserialize(File.ReadAllBytes(_path), SubjectJson.Default.ListSubject) ?? []).ToDictionary(static subject => subject.Name, StringComparer.Ordinal);
        }
        catch (Exception broken) when (broken is JsonException or ArgumentException)
        {
            throw new IOException($"the subjects in {_path} cannot be read: {broken.Message} Put the file right, or delete it: then there are admin and guest, with new tokens", broken);
        }
    }

    private Subject Fresh(string name, bool isAdmin)
    {
        var token = SubjectToken.Make(name, _time);
        return new Subject(name, isAdmin, token.Issued.ToUnixTimeSeconds(), token.Serial, HashOf(token.Write(_key)));
    }

    private void Keep_NeedsLock(Dictionary<string, Subject> subjects)
    {
        PrivateFile.Write(_path, Text(subjects));
        _subjects = subjects;
    }

    private static bool IsOf(Subject subject, string token) => Equal(subject.Hash, HashOf(token));

    private static bool Equal(string one, string other) => CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(one), Encoding.ASCII.GetBytes(other));

    private static string HashOf(string token) => Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(token)));
}
