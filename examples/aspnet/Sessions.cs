using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.Extensions.Caching.Memory;

/// <summary>
/// Keeps sessions on the server, so that a logout token can end them. Several processes need a
/// store that they share, with the same two rules: a renewal never inserts, and only a lower rev ends.
/// </summary>
sealed class Sessions(IMemoryCache ended) : ITicketStore
{
    /// <summary>The name under which a ticket holds its own key.</summary>
    public const string Key = "session";

    sealed record Session(string Sid, string Sub, long Rev, DateTimeOffset Expires, byte[] Ticket);

    readonly ConcurrentDictionary<string, Session> all = new();

    static Session Of(string key, AuthenticationTicket ticket)
    {
        ticket.Properties.Items[Key] = key;
        return new(
            ticket.Principal.FindFirst("sid")!.Value,
            ticket.Principal.FindFirst("sub")!.Value,
            Jwt.Payload(ticket.Properties.GetTokenValue("access_token")!).GetProperty("rev").GetInt64(),
            ticket.Properties.ExpiresUtc ?? DateTimeOffset.UtcNow,
            TicketSerializer.Default.Serialize(ticket));
    }

    public Task<string> StoreAsync(AuthenticationTicket ticket)
    {
        foreach (var (old, session) in all)
            if (session.Expires < DateTimeOffset.UtcNow) all.TryRemove(old, out _);
        var key = Convert.ToHexString(RandomNumberGenerator.GetBytes(32));
        all[key] = Of(key, ticket);
        EndIfLate(key);
        return Task.FromResult(key);
    }

    /// <summary>
    /// Replaces a session, after a refresh or a new sign-in with its cookie. It never revives one that has ended, nor
    /// replaces a newer one.
    /// </summary>
    public Task RenewAsync(string key, AuthenticationTicket ticket)
    {
        var session = Of(key, ticket);
        while (all.TryGetValue(key, out var before) && before.Rev <= session.Rev && !all.TryUpdate(key, session, before)) { }
        EndIfLate(key);
        return Task.CompletedTask;
    }

    public Task<AuthenticationTicket?> RetrieveAsync(string key) =>
        Task.FromResult(all.TryGetValue(key, out var session) ? TicketSerializer.Default.Deserialize(session.Ticket) : null);

    public Task RemoveAsync(string key)
    {
        all.TryRemove(key, out _);
        return Task.CompletedTask;
    }

    /// <summary>Ends the sessions that a logout token names: by sid, else by sub, with a lower rev.</summary>
    public void End(string? sid, string? sub, long rev)
    {
        // A code may be under way whose session this token has ended already.
        var name = sid ?? sub!;
        ended.Set(name, Math.Max(rev, ended.Get<long>(name)), TimeSpan.FromMinutes(10));
        bool IsNamed(Session session) => (sid is null ? session.Sub == sub : session.Sid == sid) && session.Rev < rev;
        // A session that is renewed meanwhile is looked at again.
        while (all.FirstOrDefault(one => IsNamed(one.Value)) is { Key: not null } found) all.TryRemove(found);
    }

    /// <summary>Ends a session whose logout token has arrived while its code was exchanged.</summary>
    void EndIfLate(string key)
    {
        if (!all.TryGetValue(key, out var session)) return;
        foreach (var name in new[] { session.Sid, session.Sub })
            if (ended.TryGetValue(name, out long rev) && session.Rev < rev) all.TryRemove(key, out _);
    }
}
