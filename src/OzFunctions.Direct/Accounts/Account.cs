using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Accounts;

/// <summary>An account of this machine that commands run as (<c>backend.direct.user</c>).</summary>
/// <param name="Groups">All groups of the account, its own first.</param>
public sealed record Account(string Name, int Uid, int Gid, IReadOnlyList<int> Groups, string Home)
{
    /// <summary>The account of that name, as the system's name service knows it. Throws <see cref="AccountException"/> with a sentence.</summary>
    public static Account Get(string name)
    {
        if (Posix.Libc.GetUser() != 0)
        {
            throw new AccountException($"backend.direct.user: {name}: only a host that root runs can change to another account; run the worker as root, or remove the key.");
        }

        var account = AccountLookup.Find(name)
            ?? throw new AccountException($"backend.direct.user: {name}: there is no such account on this machine; make it (useradd --system --create-home {name}), or name another.");
        return account.Uid == 0
            ? throw new AccountException($"backend.direct.user: {name}: is root itself, which is no boundary; name an account without rights.")
            : account;
    }

    internal ShimUser ToShim() => new(Name, Uid, Gid, Groups);
}

/// <summary>The account cannot be used. The message is for people.</summary>
public sealed class AccountException(string message) : Exception(message);
