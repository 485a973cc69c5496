using System.Net.Http.Headers;
using System.Security.Claims;
using System.Text;
using Microsoft.AspNetCore.Http.Features;

/// <summary>
/// Asks guard serve whether a request may pass, as a proxy does, and whether a session is live
/// (docs/guard-serve.md).
/// </summary>
sealed class Guard(HttpClient http, IConfiguration settings)
{
    /// <returns>200: the session that this ID token opened is live; 401: it has ended; 503: that is not known now</returns>
    public async Task<int> JudgeAsync(string idToken, CancellationToken aborted)
    {
        using var question = new HttpRequestMessage(HttpMethod.Post, new Uri($"{settings["GUARD_LOCAL"]}/session"))
        {
            Content = new StringContent(Jwt.Payload(idToken).GetRawText(), Encoding.UTF8, "application/json"),
        };
        question.Headers.Authorization = new AuthenticationHeaderValue("Bearer", settings["GUARD_LOCAL_SECRET"]);
        try
        {
            using var answer = await http.SendAsync(question, aborted);
            var status = (int)answer.StatusCode;
            return status is 200 or 401 ? status : 503;
        }
        catch (Exception problem) when (problem is HttpRequestException or OperationCanceledException)
        {
            return 503;
        }
    }

    /// <returns>200, 401, 403 or 503; and the user of the token, without one where a rule is public</returns>
    public async Task<(int Status, ClaimsPrincipal? User)> CheckAsync(HttpContext context, string? token)
    {
        using var check = new HttpRequestMessage(HttpMethod.Get, "/");
        check.Headers.Add("X-Forwarded-Method", context.Request.Method);
        check.Headers.Add("X-Forwarded-Host", context.Request.Host.Value);
        // The path as it was sent: guard serve rejects one that two programs could read differently.
        check.Headers.Add("X-Forwarded-Uri", context.Features.Get<IHttpRequestFeature>()!.RawTarget);
        if (token is not null) check.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        try
        {
            using var answer = await http.SendAsync(check, context.RequestAborted);
            var status = (int)answer.StatusCode;
            if (status != 200) return (status is 401 or 403 ? status : 503, null);
            string[] Values(string name) =>
                answer.Headers.TryGetValues($"X-Guard-{name}", out var values)
                    ? values.First().Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(item => Uri.UnescapeDataString(item)).ToArray()
                    : [];
            if (Values("Sub") is not [var sub]) return (200, null);
            var claims = Values("Roles").Select(role => new Claim("roles", role)).Append(new Claim("sub", sub));
            return (200, new ClaimsPrincipal(new ClaimsIdentity(claims, "guard", "sub", "roles")));
        }
        catch (Exception problem) when (problem is HttpRequestException or OperationCanceledException)
        {
            return (503, null);
        }
    }
}
